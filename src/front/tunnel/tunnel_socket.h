/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For a connection that carries packets. Best effort: it works without, only slower. */
void tunnel_socket_tune(int fd);
/*
 * Closed at once, with a reset: a connection that waits for its last acknowledgement, on a unit
 * whose address is gone, would answer for a minute to whoever gets the same port when the address
 * is back.
 */
void tunnel_socket_forget(int fd);
