#ifndef STAGEBOX_CSODIUM_SHIM_H
#define STAGEBOX_CSODIUM_SHIM_H

#include <sodium.h>

#endif
