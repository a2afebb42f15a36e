// Whether a service reads its configuration again while it runs, or may: else it is restarted for that.
#pragma once

#include "engine/model/service.h"

namespace devmux {

bool can_reload(const Service& service);

}  // namespace devmux
