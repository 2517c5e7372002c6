#ifndef STAGEBOX_CZSTD_SHIM_H
#define STAGEBOX_CZSTD_SHIM_H

#include <zstd.h>

#endif
