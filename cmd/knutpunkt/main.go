// Command knutpunkt is the whole product in one binary: the hub itself, a whole
// simulated municipality to try it on, and the tools of those who look after it.
package main

import "github.com/knutpunkt/knutpunkt/cmd/knutpunkt/verbs"

func main() { verbs.Main() }
