#include "CHostSupport.h"
extern int chs_placeholder; int chs_placeholder = 0;
