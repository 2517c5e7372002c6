#ifndef STAGEBOX_CSNAPPY_SHIM_H
#define STAGEBOX_CSNAPPY_SHIM_H

#include <snappy-c.h>

#endif
