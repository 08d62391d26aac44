/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What `systemctl status` shows of the service. */
void systemd_tell_status(const char *text);
