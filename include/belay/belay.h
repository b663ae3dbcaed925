/* SPDX-License-Identifier: MIT */
/* belay/belay.h - all of belay. */
#ifndef BELAY_BELAY_H
#define BELAY_BELAY_H

#include "belay/addr.h"
#include "belay/backoff.h"
#include "belay/base.h"
#include "belay/blocking.h"
#include "belay/cache.h"
#include "belay/child.h"
#include "belay/chronicle.h"
#include "belay/connector.h"
#include "belay/directive.h"
#include "belay/endpoint.h"
#include "belay/error.h"
#include "belay/grpc.h"
#include "belay/http.h"
#include "belay/lease.h"
#include "belay/link.h"
#include "belay/loop.h"
#include "belay/message.h"
#include "belay/pool.h"
#include "belay/process.h"
#include "belay/proxy.h"
#include "belay/registry.h"
#include "belay/share.h"
#include "belay/source.h"
#include "belay/stream.h"
#include "belay/supervisor.h"
#include "belay/tls.h"
#include "belay/world.h"

#endif
