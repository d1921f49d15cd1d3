package folkbokforing

import (
	"testing"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

func TestCallingName(t *testing.T) {
	tests := []struct{ given, marking, want string }{
		{"a b c", "10", "a"},
		{"a b c", "20", "b"},
		{"a b c", "30", "c"},
		{"a b c", "12", "a b"},
		{"a b c", "23", "b c"},
		{"a b c", "13", "a c"},
		{"a-b c", "10", "a"},
		{"a-b c", "20", "b"},
		{"a-b c", "30", "c"},
		{"a-b c", "12", "a-b"},
		{"a-b c", "23", "b c"},
		{"Hedvig Britt-Marie", "23", "Britt-Marie"},
		{"Eva Ulla-Karin Isa", "40", "Isa"},
		{"Eva  Isa", "20", "Isa"},
		{"Eva", "", ""},
		{"Eva", "00", ""},
		{"Eva", "1", ""},
		{"Eva", "20", ""},
		{"Eva Isa", "13", ""},
		{"Eva", "x0", ""},
		{"", "10", ""},
	}
	for _, tt := range tests {
		if got := CallingName(tt.given, tt.marking); got != tt.want {
			t.Errorf("%q with %q: %q, want %q", tt.given, tt.marking, got, tt.want)
		}
	}
}

func TestDate(t *testing.T) {
	tests := []struct {
		digits string
		want   hub.Date
	}{
		{"20150609", "2015-06-09"},
		{"19410700", "1941-07"},
		{"19410000", "1941"},
		{"0", ""},
		{"", ""},
		{"00000000", ""},
		{"19300230", "1930-02"}, // birth dates that no calendar has are given out
		{"19411308", "1941"},
		{"1941-7-8", ""},
		{"194107", ""},
		{"１９４１0708", ""},
	}
	for _, tt := range tests {
		if got := date(tt.digits); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.digits, got, tt.want)
		}
	}
}

func TestPostcode(t *testing.T) {
	for number, want := range map[string]string{
		"37131": "37131", "371 31": "37131", "1234": "01234", "0": "", "": "", "371311": "", "SE-12": "", "-1234": "",
	} {
		if got := postcode(number); got != want {
			t.Errorf("%q: %q, want %q", number, got, want)
		}
	}
}

func TestOfAge(t *testing.T) {
	tests := []struct {
		name  string
		born  hub.Date
		today string
		want  bool
	}{
		{"the day before", "2008-06-02", "2026-06-01", false},
		{"the birthday", "2008-06-02", "2026-06-02", true},
		{"born on a leap day, before", "2008-02-29", "2026-02-28", false},
		{"born on a leap day, after", "2008-02-29", "2026-03-01", true},
		{"on a leap day, before", "2006-03-01", "2024-02-29", false},
		{"some day this year", "2008", "2026-12-31", false},
		{"some day last year", "2007", "2026-01-01", true},
		{"some day this month", "2008-06", "2026-06-30", false},
		{"unknown", "", "2026-06-02", false},
	}
	for _, tt := range tests {
		today, err := time.Parse(time.DateOnly, tt.today)
		if err != nil {
			t.Fatal(err)
		}
		if got := isAdult(tt.born, today); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestBirthOf(t *testing.T) {
	for number, want := range map[string]hub.Date{
		"201506092384": "2015-06-09",
		"197001782395": "1970-01-18", // a samordningsnummer has 60 added to the day
		"193002902397": "1930-02",    // 30 February
	} {
		id, err := hub.ParsePersonID(number)
		if err != nil {
			t.Fatal(err)
		}
		if got := BirthOf(id); got != want {
			t.Errorf("%s: %q, want %q", number, got, want)
		}
	}
}
