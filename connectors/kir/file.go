package kir

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A file is what an avisering file says of itself. The numbers are Skatteverket's, and nobody's own.
type file struct {
	Extract bool   // a grunduttag: everybody; else the changes
	Day     string // Effektueringsdatum, yyyyMMdd
	Job     int    // JobbId
	Serial  int    // LopNr; 0 where the file has none
	Number  int    // FilNr: which of the files of one delivery it is
	Of      int    // AntalFiler
	Posts   int    // AntalPoster
	Total   int    // AntalPosterTotalt: in all the files of the delivery
}

const highestSerial = 99_999

// readFile reads Aviseringsinformation, and refuses what is not of the order.
func (r *register) readFile(root *document.Element) (f file, err error) {
	of := root.Path("Aviseringsinformation/Filinformation")
	if of == nil {
		return f, malformed("no-information", "filen saknar Aviseringsinformation och kan därför inte kontrolleras")
	}
	if order := of.Value("BestallningsId"); order != r.conf.Order {
		if !orderFormat.MatchString(order) {
			order = "en annan beställning"
		}
		return f, misplaced("filen hör till %s, och registret matas av %s", order, r.conf.Order)
	}
	switch kind := strings.ToLower(of.Value("Bestallningstyp")); {
	case strings.Contains(kind, "grunduttag"):
		f.Extract = true
	case !strings.Contains(kind, "ändring"):
		return f, malformed("kind", "filen säger inte om den är ett grunduttag eller ändringar (Bestallningstyp)")
	}
	out := of.Child("Utfil")
	f.Day = out.Value("Effektueringsdatum")
	if _, err := time.Parse("20060102", f.Day); err != nil {
		return f, malformed("date", "filens Effektueringsdatum är ingen dag")
	}
	for _, n := range []struct {
		name string
		into *int
		from int
	}{
		{"JobbId", &f.Job, 0}, {"FilNr", &f.Number, 1}, {"AntalFiler", &f.Of, 1}, {"AntalPoster", &f.Posts, 0}, {"AntalPosterTotalt", &f.Total, 0},
	} {
		if *n.into, err = strconv.Atoi(out.Value(n.name)); err != nil || *n.into < n.from || *n.into > 99_999_999 {
			return f, malformed("number", "filens "+n.name+" är inget antal")
		}
	}
	if text := out.Value("LopNr"); text != "" {
		if f.Serial, err = strconv.Atoi(text); err != nil || f.Serial < 0 || f.Serial > highestSerial {
			return f, malformed("number", "filens LopNr är inget löpnummer")
		}
	}
	return f, f.check(r.today())
}

// check holds the file's numbers against each other.
func (f file) check(today time.Time) error {
	switch {
	case f.Number > f.Of:
		return malformed("number", fmt.Sprintf("filen säger att den är nummer %d av %d", f.Number, f.Of))
	case f.Posts > f.Total:
		return malformed("count", fmt.Sprintf("filen säger sig ha %d poster av sammanlagt %d", f.Posts, f.Total))
	case f.Extract && f.Total == 0:
		return malformed("count", "grunduttaget har inga poster; ett tomt register är säkrast ett fel")
	case f.Day > today.AddDate(0, 0, 1).Format("20060102"):
		return malformed("date", "filens Effektueringsdatum är ännu inte här")
	}
	return nil
}

// asOf is as of when the file is right: for certain only as its day began.
func (f file) asOf(now time.Time) time.Time {
	day, _ := time.ParseInLocation("20060102", f.Day, hub.Stockholm) // checked when it was read
	if day.After(now) {
		return now
	}
	return day
}

// last reports whether the file is the last one of its delivery.
func (f file) last() bool { return f.Number == f.Of }

// isWith reports whether two files are of the same delivery.
func (f file) isWith(g file) bool {
	return f.Extract == g.Extract && f.Of == g.Of && f.Total == g.Total && f.Day == g.Day && f.Job == g.Job
}

// named gives the file as people know it.
func (f file) named() string {
	name := "ändringsfilen"
	if f.Extract {
		name = "grunduttaget"
	}
	if f.Serial > 0 {
		name += " med LopNr " + strconv.Itoa(f.Serial)
	}
	if f.Of > 1 {
		name += fmt.Sprintf(" (fil %d av %d)", f.Number, f.Of)
	}
	return name
}

func malformed(kind, detail string) error { return &hub.Malformed{Kind: kind, Detail: detail} }

func misplaced(format string, args ...any) error {
	return &hub.Misplaced{Detail: fmt.Sprintf(format, args...)}
}
