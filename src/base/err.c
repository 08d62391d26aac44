/* SPDX-License-Identifier: Apache-2.0 */
/* One table of texts; errno's own come from the C library. */
#include "base/err.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *name;
	const char *text;
} own[] = {
	{"Malformed", "malformed data"},
	{"TooLarge", "larger than the limit"},
	{"Denied", "not permitted"},
	{"NotActive", "this unit is not the active one"},
	{"NoMate", "no mate on the failover link"},
	{"Busy", "already under way"},
	{"NotFound", "not found"},
	{"Exists", "exists already"},
	{"InUse", "still in use"},
	{"BadPassphrase", "wrong passphrase"},
	{"NoKey", "no private key"},
	{"NoCertificate", "no certificate"},
	{"KeyMismatch", "the private key does not belong to the certificate"},
	{"Expired", "expired"},
	{"NotYetValid", "not yet valid"},
	{"Weak", "too weak for the policy"},
	{"Unsupported", "not supported"},
	{"Integrity", "integrity check failed"},
	{"Differs", "digests differ"},
	{"Timeout", "timed out"},
	{"Closed", "the other end closed the connection"},
	{"Syntax", "syntax error"},
	{"Version", "incompatible protocol version"},
	{"Crypto", "cryptographic operation failed"},
	{"Store", "the certificate store is damaged or not writable"},
	{"NotReady", "not ready"},
	{"NotExportable", "the key is not exportable"},
	{"NoMac", "no integrity protection (MAC)"},
	{"Revoked", "revoked"},
};

static int own_index(int code)
{
	int index = -1000 - code;

	if (index < 0 || (size_t)index >= sizeof(own) / sizeof(own[0]))
		return -1;
	return index;
}

const char *err_text(int code)
{
	int index = own_index(code);
	const char *text;

	if (code == 0)
		return "success";
	if (index >= 0)
		return own[index].text;
	text = code < 0 && code > -1000 ? strerrordesc_np(-code) : NULL;
	return text ? text : "unknown error";
}

const char *err_name(int code)
{
	int index = own_index(code);
	const char *name;

	if (code == 0)
		return "Ok";
	if (index >= 0)
		return own[index].name;
	name = code < 0 && code > -1000 ? strerrorname_np(-code) : NULL;
	return name ? name : "Unknown";
}
