package bugs

import "testing"

// TestBugsFollowTheCode tells, without building anything, when the code has moved away
// from under a bug.
func TestBugsFollowTheCode(t *testing.T) {
	if _, err := changed("../../.."); err != nil {
		t.Fatal(err)
	}
}
