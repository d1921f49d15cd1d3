//go:build race

package storetest

// flatMiB is how much may be allocated in all for a file that streams by. The race detector has
// sync.Pool forget some of the buffers that it is given.
const flatMiB = 16
