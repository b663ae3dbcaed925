/* SPDX-License-Identifier: MIT */
/* What systemd is told (sd_notify), if it wants to know. */
#ifndef CLI_NOTIFY_H
#define CLI_NOTIFY_H

#include "text.h"

/* "READY=1\nSTATUS=..."; nothing happens without NOTIFY_SOCKET. */
void notify(const char *format, ...) TEXT_PRINTF(1, 2);

#endif
