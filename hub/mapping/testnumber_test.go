package mapping

import (
	"compress/gzip"
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/knutpunkt/knutpunkt/hub"
)

var rewriteNumbers = flag.Bool("rewrite-testnumbers", false, "make testnumbers.bloom anew of what KNUTPUNKT_FORMATS holds")

func TestTestNumbers(t *testing.T) {
	for _, row := range []struct {
		number string
		test   bool
		why    string
	}{
		{"189001019802", true, "the first of the list"},
		{"198810032386", true, "one with a serial of the later ones"},
		{"192001011564", true, "one with a serial as anybody's"},
		{"192004912388", true, "a samordningsnummer whose day no calendar has"},
		{"202701012381", true, "born after the list ends"},
		{"191212121212", false, "popular, and no test number"},
		{"190101010159", false, "popular, and none either"},
		{"202701011235", false, "born after the list ends, with a serial as anybody's"},
	} {
		if got := isTestNumber(row.number); got != row.test {
			t.Errorf("%s: %v: %s", row.number, got, row.why)
		}
	}
}

// TestEveryOfficialTestNumberIsKnown and that few others are taken for one.
func TestEveryOfficialTestNumberIsKnown(t *testing.T) {
	formats := os.Getenv("KNUTPUNKT_FORMATS")
	if formats == "" {
		t.Skip("KNUTPUNKT_FORMATS names no folder with the official test numbers")
	}
	official := officialNumbers(t, formats)
	if *rewriteNumbers {
		filter := make([]byte, filterSize)
		for number := range official {
			eachProbe(number, func(i int, bit byte) { filter[i] |= bit })
		}
		if err := os.WriteFile("testnumbers.bloom", filter, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Skip("testnumbers.bloom is written: run again")
	}
	for number := range official {
		if !isTestNumber(number) {
			t.Fatalf("%s is not known", number)
		}
	}
	others, taken := 0, 0
	for n := range 400_000 {
		number := fmt.Sprintf("1971%02d%02d%04d", 1+n%12, 1+n/12%28, n*7919%10000)
		if _, err := hub.ParsePersonID(number); err != nil || official[number] {
			continue
		}
		if others++; isTestNumber(number) {
			taken++
		}
	}
	if others < 10_000 || taken*100 > others {
		t.Errorf("of %d that are none %d are taken for one", others, taken)
	}
	t.Logf("%d official; of %d others %d are taken for one", len(official), others, taken)
}

func officialNumbers(t *testing.T, formats string) map[string]bool {
	t.Helper()
	f, err := os.Open(filepath.Join(formats, "testnumbers", "skatteverket-test-identities-all.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(plain).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	official := map[string]bool{}
	for _, row := range rows[1:] {
		official[row[0]] = true
	}
	return official
}
