package docs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/connectors/kir/kirsim"
)

// TestTheRegisterIsFedAsShown plays the page on the municipality's own register against a
// demo, with files as Skatteverket writes them.
func TestTheRegisterIsFedAsShown(t *testing.T) {
	p := newPlayer(t, "sv/kir.md")
	demo := command{line: "knutpunkt demo", args: []string{"knutpunkt", "demo", "--dir", p.dir}, shown: "Knutpunkt is running…\n…\n"}
	p.startDemo(block{page: "demo"}, demo)
	p.writeResidents()
	restarted := false
	for _, b := range p.blocks {
		if b.lang == "console" && !restarted {
			restarted = true
			p.startDemo(b, demo)
			secret := read(t, filepath.Join(p.dir, "secrets", "registrator"))
			t.Setenv("KNUTPUNKT_OPERATOR_SECRET", strings.TrimSpace(secret))
		}
		p.play(b)
	}
	if p.ran < 4 {
		t.Errorf("only %d commands were run", p.ran)
	}
}

// writeResidents writes the files that the page names.
func (p *player) writeResidents() {
	p.Helper()
	day := time.Now().Add(-time.Hour)
	sim, err := kirsim.New(kirsim.Options{Residents: 40, Files: 2, Municipality: "1080", Day: day})
	if err != nil {
		p.Fatal(err)
	}
	var first, second, changes bytes.Buffer
	for file, out := range []*bytes.Buffer{&first, &second} {
		if err := sim.Extract(out, file+1); err != nil {
			p.Fatal(err)
		}
	}
	if err := sim.Changes(&changes, 3, day.Add(time.Minute), sim.News(3)...); err != nil {
		p.Fatal(err)
	}
	for name, text := range map[string]*bytes.Buffer{"grund-1.xml": &first, "grund-2.xml": &second, "andring.xml": &changes} {
		if err := os.WriteFile(filepath.Join(p.dir, name), text.Bytes(), 0o600); err != nil {
			p.Fatal(err)
		}
	}
}
