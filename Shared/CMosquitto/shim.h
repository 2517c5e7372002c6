#ifndef STAGEBOX_CMOSQUITTO_SHIM_H
#define STAGEBOX_CMOSQUITTO_SHIM_H

#include <mosquitto.h>
#include <mqtt_protocol.h>
/* The loop over libmosquitto's socket is woken through an eventfd, which Swift's Glibc module leaves out. */
#include <sys/eventfd.h>
#include <sys/prctl.h>

/* Variadic in C, so not importable. At most 15 characters show. */
static inline void stagebox_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

#endif
