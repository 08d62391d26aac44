/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-event.h>

/*
 * Ears and mouth of one interface's tests: tells of the next packet that comes in on a device, and
 * asks whoever may be there to send one. What is sent says nothing of this unit's addresses, so it
 * may be sent in either role.
 */
struct ifprobe;

/* Somebody was heard; told once until the next ifprobe_listen(probe, true). */
typedef void (*ifprobe_packet_fn)(struct ifprobe *probe, void *userdata);

/* Errors: -ENOMEM. */
int ifprobe_new(sd_event *event, ifprobe_packet_fn on_packet, void *userdata,
		struct ifprobe **ret_probe);
/* May wait for the kernel (some milliseconds) where it has ever listened. */
void ifprobe_free(struct ifprobe *probe);
/* Listens on the device with this INDEX from now on, or no longer. Errors: -errno; it is deaf then.
 */
int ifprobe_listen(struct ifprobe *probe, unsigned index, bool is_listening);
/* Asks the neighbours that were used last for their hardware addresses. */
void ifprobe_send_arp(struct ifprobe *probe, unsigned index);
/* Asks everybody for an echo. HAS_ADDRESS4: the device has an IPv4 address to ask from. */
void ifprobe_send_ping(const struct ifprobe *probe, const char *device, bool has_address4);
