package hub

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"
	"unique"
)

// ErrIdentity says that a text is no Swedish identity number. It never repeats
// the text.
var ErrIdentity = errors.New("not a Swedish identity number")

// A PersonID is a personnummer or a samordningsnummer: twelve digits whose
// checksum holds. It can be compared and used as a key, and it never prints: its
// digits lie behind a handle that fmt, slog and json cannot follow, also from
// inside somebody else's struct. The zero PersonID is nobody.
type PersonID struct{ digits unique.Handle[string] }

// ParsePersonID reads twelve digits, YYYYMMDDNNNC, as Skatteverket writes them.
// The date part of a personnummer must be a date; that of a samordningsnummer
// (day + 60) need not be one, since day 60, month 00 and days that no calendar
// has are all given out. Anything else is ErrIdentity.
func ParsePersonID(s string) (PersonID, error) {
	if len(s) != 12 || !luhn(s[2:]) {
		return PersonID{}, ErrIdentity
	}
	year, month, day := number(s[0:4]), number(s[4:6]), number(s[6:8])
	if year < 1800 || month > 12 || day > 91 {
		return PersonID{}, ErrIdentity
	}
	if day < 60 && !isDate(year, month, day) {
		return PersonID{}, ErrIdentity
	}
	return PersonID{unique.Make(s)}, nil
}

// Reveal gives the twelve digits. It is the one door; grep for it.
func (p PersonID) Reveal() string {
	if p.IsZero() {
		return ""
	}
	return p.digits.Value()
}

// IsZero reports whether p is nobody.
func (p PersonID) IsZero() bool { return p == PersonID{} }

// IsCoordination reports whether p is a samordningsnummer.
func (p PersonID) IsCoordination() bool { return !p.IsZero() && p.Reveal()[6] >= '6' }

func (p PersonID) Format(f fmt.State, _ rune)   { io.WriteString(f, "person") }
func (p PersonID) LogValue() slog.Value         { return slog.StringValue("person") }
func (p PersonID) MarshalJSON() ([]byte, error) { return []byte(`"person"`), nil }

// An OrgNumber is an organisationsnummer, ten digits. A sole trader's is a
// personnummer, so it prints no more than a PersonID does.
type OrgNumber struct{ digits unique.Handle[string] }

// ParseOrgNumber reads ten digits, or twelve that begin with 16.
func ParseOrgNumber(s string) (OrgNumber, error) {
	if len(s) == 12 && s[:2] == "16" {
		s = s[2:]
	}
	if len(s) != 10 || !luhn(s) || s[2] < '2' {
		return OrgNumber{}, ErrIdentity
	}
	return OrgNumber{unique.Make(s)}, nil
}

// Reveal gives the ten digits.
func (o OrgNumber) Reveal() string {
	if o.IsZero() {
		return ""
	}
	return o.digits.Value()
}

// IsZero reports whether o is no organisation.
func (o OrgNumber) IsZero() bool { return o == OrgNumber{} }

func (o OrgNumber) Format(f fmt.State, _ rune)   { io.WriteString(f, "organisation") }
func (o OrgNumber) LogValue() slog.Value         { return slog.StringValue("organisation") }
func (o OrgNumber) MarshalJSON() ([]byte, error) { return []byte(`"organisation"`), nil }

// Protection is a tri-state that fails closed: the zero value is unknown, and
// unknown is handled as protected.
type Protection uint8

const (
	ProtectionUnknown     Protection = iota // not delivered, or not readable
	NotProtected                            // the register says that there is no mark
	Marked                                  // sekretessmarkering
	ProtectedRegistration                   // skyddad folkbokföring: the real address is in no register
)

// Protected reports whether the person must be handled as protected.
func (p Protection) Protected() bool { return p != NotProtected }

// isMark reports whether a register has said that there is a mark.
func (p Protection) isMark() bool { return p == Marked || p == ProtectedRegistration }

// Strictest gives the stronger of two words about one person: a mark before an
// unknown, and an unknown before the word that there is none.
func (p Protection) Strictest(q Protection) Protection {
	rank := map[Protection]int{NotProtected: 0, ProtectionUnknown: 1, Marked: 2, ProtectedRegistration: 3}
	if rank[q] > rank[p] {
		return q
	}
	return p
}

// A Date is a day as a register knows it: "2015-06-09", or "1941-07" or "1941"
// where it knows no more. The empty Date is none.
type Date string

// A Person is what a register said about somebody at a certain time.
type Person struct {
	ID         PersonID   // the current number
	Previous   []PersonID // numbers that this person has had
	Given      string     // förnamn, all of them
	Calling    string     // tilltalsnamn, "" where none is registered
	Middle     string
	Family     string
	Birth      Date
	Protection Protection
	Address    *Address // folkbokföringsadress; nil for who has none
	Special    *Address // särskild postadress, the only one to use under skyddad folkbokföring
	Abroad     *Foreign
	Registered Municipality // where folkbokförd, "" for who is not
	Property   string       // fastighetsbeteckning
	Civil      string       // civilstånd, as Skatteverket's code: OG G Ä S RP SP EP
	Left       Departure
	Guardians  []Relative // living guardians of this person today
	Children   []Relative // whom this person is guardian of
	Delivered  Blocks     // what the register was asked to deliver: apart from "empty"
	Changed    Date       // when the register changed it last
	AsOf       time.Time  // when we asked; of a register that files feed, as of when they are
	By         SystemID   // the register that said so
}

// Blocks tells what an answer carries at all. Which blocks come is decided by the
// municipality's order with the register, so a block that did not come is no
// statement that there is nothing.
type Blocks struct{ Name, Address, Relations bool }

// An Address is a Swedish postal address.
type Address struct{ CareOf, Street, Extra, Postcode, City string }

// A Foreign address is kept in the lines that it came in.
type Foreign struct {
	Lines   []string
	Country string
}

// A Departure says why somebody is no longer registered, in Skatteverket's codes
// (AV avliden, UV utvandrad, GN and GS an older number, OB försvunnen …).
type Departure struct {
	Reason string
	Date   Date
}

// Deceased reports whether the person has died.
func (d Departure) Deceased() bool { return d.Reason == "AV" }

// Emigrated reports whether the person has left the country.
func (d Departure) Emigrated() bool { return d.Reason == "UV" }

// A Relative is somebody whom a register names beside a person: by number, or,
// for who was never registered in Sweden, by birth date and name.
type Relative struct {
	ID            PersonID // zero for who has only a FodelsetidNr
	Birth         Date
	Given, Family string
	Until         Date // the last day on which it is so; "" while no end has been told
}

// Protected reports whether p must be handled as protected; unknown counts as yes.
func (p Person) Protected() bool { return p.Protection.Protected() }

func (p Person) Format(f fmt.State, _ rune)     { io.WriteString(f, "person") }
func (p Person) LogValue() slog.Value           { return slog.StringValue("person") }
func (p Person) MarshalJSON() ([]byte, error)   { return []byte(`"person"`), nil }
func (r Relative) Format(f fmt.State, _ rune)   { io.WriteString(f, "relative") }
func (r Relative) LogValue() slog.Value         { return slog.StringValue("relative") }
func (r Relative) MarshalJSON() ([]byte, error) { return []byte(`"relative"`), nil }
func (a Address) Format(f fmt.State, _ rune)    { io.WriteString(f, "address") }
func (a Address) LogValue() slog.Value          { return slog.StringValue("address") }
func (a Address) MarshalJSON() ([]byte, error)  { return []byte(`"address"`), nil }
func (a Foreign) Format(f fmt.State, _ rune)    { io.WriteString(f, "address") }
func (a Foreign) LogValue() slog.Value          { return slog.StringValue("address") }
func (a Foreign) MarshalJSON() ([]byte, error)  { return []byte(`"address"`), nil }

// A Secret is a password, token or key. It is read from env: or file: and never
// prints.
type Secret struct{ text unique.Handle[string] }

// NewSecret hides s.
func NewSecret(s string) Secret { return Secret{unique.Make(s)} }

// Reveal gives the text of the secret.
func (s Secret) Reveal() string {
	if s == (Secret{}) {
		return ""
	}
	return s.text.Value()
}

// IsPrivate reports whether a file can hold a secret: nobody may read it but its owner; or
// it is root's, and root lets a group read it that this process, which is not root, is in.
// That is how Kubernetes shows a Secret.
func IsPrivate(file fs.FileInfo) bool {
	others := file.Mode().Perm() & 0o077
	owned, known := file.Sys().(*syscall.Stat_t)
	lent := known && owned.Uid == 0 && os.Geteuid() != 0
	return others == 0 || others == 0o040 && lent
}

func (s Secret) Format(f fmt.State, _ rune)   { io.WriteString(f, "secret") }
func (s Secret) LogValue() slog.Value         { return slog.StringValue("secret") }
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"secret"`), nil }

// luhn checks ten digits by the modulus-10 rule, weights 2,1,2,…
func luhn(s string) bool {
	sum := 0
	for i := range len(s) {
		d := int(s[i]) - '0'
		if d < 0 || d > 9 {
			return false
		}
		if i%2 == 0 {
			d *= 2
		}
		sum += d/10 + d%10
	}
	return sum%10 == 0
}

// number reads digits; anything else gives a number too large for any date.
func number(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 1 << 20
		}
		n = n*10 + int(s[i]-'0')
	}
	return n
}

func isDate(year, month, day int) bool {
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	return day > 0 && month > 0 && t.Day() == day && int(t.Month()) == month
}
