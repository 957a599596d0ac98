#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cloob/base/collectives.h"

namespace cloob {

/// The text of rank 0, on every rank. A collective operation.
std::string broadcast_text(const Collectives& collectives, const std::string& text);

/// The texts of all ranks, in rank order, on every rank. A collective operation.
std::vector<std::string> gather_texts(const Collectives& collectives, const std::string& text);

/// Does `work` on rank 0, whose UserError is thrown on all ranks, so that none waits for the others. A collective operation.
void do_on_first_rank(const Collectives& collectives, const std::function<void()>& work);

}  // namespace cloob
