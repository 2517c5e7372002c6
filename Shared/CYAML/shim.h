#ifndef STAGEBOX_CYAML_SHIM_H
#define STAGEBOX_CYAML_SHIM_H

#include <yaml.h>

#endif
