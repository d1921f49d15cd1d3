//go:build !race

package storetest

// flatMiB is how much may be allocated in all for a file that streams by.
const flatMiB = 8
