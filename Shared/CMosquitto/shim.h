#ifndef STAGEBOX_CMOSQUITTO_SHIM_H
#define STAGEBOX_CMOSQUITTO_SHIM_H

#include <mosquitto.h>

#endif
