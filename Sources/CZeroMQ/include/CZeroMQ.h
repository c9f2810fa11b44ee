/// libzmq, loaded when its first function is called: a program that is linked to it would not even start where it is
/// missing, and `icl-kernel doctor` could not say so.
#pragma once
#include <zmq.h>
