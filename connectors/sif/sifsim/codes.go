package sifsim

import (
	"slices"
	"strconv"
	"strings"
)

// A table is one code table of the site. The values are invented: every site has its own.
type table []code

type code struct {
	recno             int
	code, description string
}

var (
	caseStatus = table{
		{5, "R", "Registrerat"}, {6, "T", "Tilldelat för handläggning"}, {7, "U", "Under handläggning"},
		{8, "K", "Komplettering begärd"}, {9, "B", "Beslutat"}, {10, "A", "Avslutat"},
	}
	caseRole     = table{{6, "SOK", "Sökande"}, {7, "BER", "Berörd"}, {8, "VH", "Vårdnadshavare"}}
	documentRole = table{{5, "AVS", "Avsändare"}, {6, "MOT", "Mottagare"}}
	accessCode   = table{{1, "O", "Offentlig"}, {2, "S", "Sekretess"}}

	caseCodes = map[string]table{
		"CaseType":   {{2, "ARE", "Ärende"}},
		"Status":     caseStatus,
		"SubArchive": {{60001, "ARK", "Ärendearkiv"}},
		"AccessCode": accessCode,
	}
	documentCodes = map[string]table{
		"Archive":    {{2, "DOK", "Ärendedokument"}},
		"Category":   {{110, "I", "Inkommande"}, {111, "U", "Utgående"}},
		"Status":     {{1, "J", "Journalförd"}},
		"AccessCode": accessCode,
	}
	fileCodes = map[string]table{
		"Status":        {{1, "F", "Färdig"}},
		"VersionFormat": {{1, "P", "Produktionsformat"}, {3, "A", "Arkivformat"}},
		"AccessCode":    accessCode,
	}
)

// tables are what GetCodeTableRows knows by name.
var tables = map[string]table{
	"code table: Case status":                 caseStatus,
	"code table: Access code":                 accessCode,
	"code table: Contact - Case role":         caseRole,
	"code table: Activity - Contact role":     documentRole,
	"code table: Document category":           documentCodes["Category"],
	"code table: Journal status":              documentCodes["Status"],
	"code table: FileStatus":                  fileCodes["Status"],
	"Attribute value: File - ToVersionFormat": fileCodes["VersionFormat"],
}

// find takes a code, its text or "recno:N".
func (t table) find(value string) (code, bool) {
	i := slices.IndexFunc(t, func(c code) bool {
		recno, isRecno := strings.CutPrefix(value, "recno:")
		return value == c.code || value == c.description || isRecno && recno == strconv.Itoa(c.recno)
	})
	if i < 0 {
		return code{}, false
	}
	return t[i], true
}

func (t table) has(value string) bool {
	_, ok := t.find(value)
	return ok
}

// described gives the text of a value; the first of the table where none is given.
func described(t table, value string) string {
	if c, ok := t.find(value); ok {
		return c.description
	}
	return t[0].description
}

// unknownCode finds a field whose value is in none of its table.
func unknownCode(p object, codes map[string]table) string {
	for field, table := range codes {
		if value := text(p, field); value != "" && !table.has(value) {
			return field + " was not found in its code table"
		}
	}
	return ""
}

func (s *Sim) getCodeTableRows(p object, _ Fault) (object, error) {
	name := text(p, "CodeTableName")
	t, ok := tables[name]
	if !ok {
		return refused(bizException("The code table was not found", "GetCodeTableRows")), nil
	}
	rows := []object{}
	for _, c := range t {
		rows = append(rows, object{"Recno": c.recno, "Code": c.code, "Description": c.description, "IsExpired": false})
	}
	return object{"CodeTableRows": rows}, nil
}
