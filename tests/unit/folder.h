/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Removes PATH with what is in it; what is not there is no error. */
void folder_remove(const char *path);
