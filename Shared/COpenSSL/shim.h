#ifndef STAGEBOX_COPENSSL_SHIM_H
#define STAGEBOX_COPENSSL_SHIM_H

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Macros over SSL_CTX_ctrl, which Swift cannot import. */
static inline int stagebox_ssl_ctx_require_tls13(SSL_CTX *context) {
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1
        && SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1;
}
static inline void stagebox_ssl_ctx_set_modes(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}
/* A macro over SSL_CTX_set_ex_data. */
static inline int stagebox_ssl_ctx_set_app_data(SSL_CTX *context, void *data) {
    return SSL_CTX_set_app_data(context, data);
}
static inline void *stagebox_ssl_ctx_get_app_data(const SSL_CTX *context) {
    return SSL_CTX_get_app_data(context);
}
/* A macro over SSL_ctrl. */
static inline long stagebox_ssl_set_server_name(SSL *session, const char *name) {
    return SSL_set_tlsext_host_name(session, name);
}
/* A macro over CRYPTO_free. */
static inline void stagebox_openssl_free(void *memory) { OPENSSL_free(memory); }

#endif
