#pragma once

#include <string>

#include "efficientdet_backend.h"

/** What is said before the system's reason when it starts no thread. */
inline constexpr const char *kNoThread =
    "The system starts no more threads; a limit of the container or the user may be reached: ";

/** A buffer for a backend's message, and what it says afterwards. */
class Message {
 public:
  ed_message *get() { return &message_; }

  std::string Text() const { return text_[0] == '\0' ? "The backend gave no reason." : text_; }

 private:
  char text_[2048] = "";
  ed_message message_{text_, sizeof text_};
};
