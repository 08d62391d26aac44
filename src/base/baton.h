/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Two threads that take turns: what belongs to a piece of work is one side's until it gives the
 * baton, an eventfd(2), to the other, which sleeps until then. Given once, it is taken before it is
 * given again. Errors: -errno where the descriptor is wrong, and does not become right: the other
 * side would wait for ever.
 */
int baton_give(int fd);
int baton_take(int fd);
