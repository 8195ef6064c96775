/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host-sink.h"

#include "base/fd.h"
#include "host/host-memfd.h"

static bool append(void *context, const void *bytes, size_t size, CorError *err)
{
    const CorHostSink *sink = context;

    return cor_host_priv_check(sink->context, err) &&
           cor_host_priv_memfd_append(sink->fd, bytes, size, err);
}

static bool replace(void *context, uint64_t offset, const void *bytes, size_t size, CorError *err)
{
    const CorHostSink *sink = context;

    return cor_host_priv_memfd_replace(sink->fd, offset, bytes, size, err);
}

bool cor_host_priv_sink_init(CorHostSink *sink, CorHostContext *context, CorError *err)
{
    *sink = (CorHostSink){.context = context,
                          .fd = -1,
                          .sink = {.write = append, .write_at = replace, .context = sink}};
    return cor_host_priv_memfd_begin("corsia-output", &sink->fd, err);
}

void cor_host_priv_sink_done(CorHostSink *sink)
{
    cor_fd_closep(&sink->fd);
}
