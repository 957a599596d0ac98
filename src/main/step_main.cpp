#include "cloob/cli/program.h"

int main(int argc, char** argv) { return cloob::run_program(argc, argv, cloob::add_step_commands); }
