//go:build race

package hub_test

// Under the race detector everything costs ten times as much. It is there for what runs
// at the same time, and that is the same for fewer who wait, and fewer ways to be down.
func init() {
	many = 500
	outages = append(outages[:1], outages[8:10]...)
}
