/* network.h: a server that is further away than it is. */
#ifndef NETWORK_H
#define NETWORK_H

/* From now on every reply comes so many microseconds later. For the whole process; 0: at once. */
void network_set_round_trip(long us);

#endif
