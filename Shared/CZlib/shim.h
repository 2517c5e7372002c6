#ifndef STAGEBOX_CZLIB_SHIM_H
#define STAGEBOX_CZLIB_SHIM_H

#include <zlib.h>

// zlib's initialisers are macros, which Swift does not import. 16 + 15: gzip's frame with the full window.
static inline int stagebox_gzip_deflate_init(z_stream *stream, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
}

static inline int stagebox_gzip_inflate_init(z_stream *stream) {
    return inflateInit2(stream, 16 + MAX_WBITS);
}

#endif
