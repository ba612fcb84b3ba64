#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace efficientdet {

/**
 * Memory that is free on a device, told by the driver's management library (NVML) without a context there.
 *
 * Nothing where that library is missing or knows no such device, as for Jetsons.
 *
 * @param uuid as UuidText makes it
 */
std::optional<uint64_t> FreeMemoryOf(const std::string &uuid);

}  // namespace efficientdet
