#ifndef STAGEBOX_COPENSSL_SHIM_H
#define STAGEBOX_COPENSSL_SHIM_H

#include <openssl/ssl.h>

#endif
