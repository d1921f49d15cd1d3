package sif

import (
	"errors"
	"maps"
	"mime"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// A registration is a delivery as the mapping wants it registered:
//
//	{
//	  "contacts": [{"ref": "sökande", "person": {…}}, {"ref": "bolaget", "enterprise": {…}}],
//	  "case":     {the parameter of CreateCase},
//	  "document": {the parameter of CreateDocument},
//	  "files":    {"form": {…}, "attachment": {…}}
//	}
//
// person and enterprise are the parameters of SynchronizePrivatePerson and SynchronizeEnterprise.
// "ref:sökande" as the ReferenceNumber of a contact of the case or of the document becomes that
// contact's recno. files says what the form itself and each attachment have besides their bytes; Title
// and Format are the file's own where it does not say. The operation document has no case, and its
// document has a CaseNumber.
type registration struct {
	key        hub.Key
	contacts   []contact
	newCase    map[string]any // nil in the operation document
	caseNumber string         // of the case that is there already; "" in the operation case
	document   map[string]any // nil for a case without any
	files      []file
	recnos     map[string]string // of the contacts, by ref
}

// A contact is a person or an enterprise of the system's own register.
type contact struct {
	ref        string
	enterprise bool
	fields     map[string]any
}

// A file is one that the document is to hold. No two of a registration have the same title, so that a
// title and the Key tell which file it is.
type file struct {
	hub.File
	title  string
	fields map[string]any // of a file in CreateDocument, without its bytes
}

// size is what the file gives, in bytes.
func (f file) size() int64 {
	if f.Blob == (hub.Blob{}) {
		return f.Size
	}
	return f.Blob.Size
}

// readRegistration reads a delivery's document. Its errors name places, never values.
func readRegistration(d hub.Delivery, conf Config) (*registration, error) {
	var read struct {
		Contacts []struct {
			Ref        string         `json:"ref"`
			Person     map[string]any `json:"person"`
			Enterprise map[string]any `json:"enterprise"`
		} `json:"contacts"`
		Case     map[string]any `json:"case"`
		Document map[string]any `json:"document"`
		Files    struct {
			Form       map[string]any `json:"form"`
			Attachment map[string]any `json:"attachment"`
		} `json:"files"`
	}
	if err := document.DecodeJSON(d.Document.Reveal(), &read); err != nil {
		return nil, err
	}
	reg := &registration{key: d.Key, newCase: read.Case, document: read.Document, recnos: map[string]string{}}
	for _, c := range read.Contacts {
		switch {
		case c.Person != nil && c.Enterprise == nil:
			reg.contacts = append(reg.contacts, contact{c.Ref, false, shortened(c.Person, conf.IDDigits)})
		case c.Enterprise != nil && c.Person == nil:
			reg.contacts = append(reg.contacts, contact{c.Ref, true, c.Enterprise})
		default:
			return nil, errors.New("the document: each of contacts must have either person or enterprise")
		}
	}
	for _, f := range d.Files {
		fields := read.Files.Attachment
		if f.Print {
			fields = read.Files.Form
		}
		reg.addFile(f, fields)
	}
	return reg, reg.check(d.Operation)
}

// shortened gives a person's fields with the number of digits that the site wants.
func shortened(person map[string]any, digits int) map[string]any {
	if number := text(person, "PersonalIdNumber"); digits == 10 && len(number) == 12 {
		person["PersonalIdNumber"] = number[2:]
	}
	return person
}

func (reg *registration) check(operation string) error {
	reg.caseNumber = text(reg.document, "CaseNumber")
	switch operation {
	case operationCase:
		switch {
		case reg.newCase == nil:
			return errors.New("the document: the operation case must have a case")
		case reg.caseNumber != "":
			return errors.New("the document: the operation case cannot have a CaseNumber")
		case reg.document == nil && len(reg.files) > 0:
			return errors.New("the document: there are files, and no document for them")
		}
	case operationDocument:
		switch {
		case reg.newCase != nil || reg.caseNumber == "":
			return errors.New("the document: the operation document must have a document with CaseNumber, and no case")
		case len(reg.files) == 0:
			return errors.New("a document without files could not be recognised again")
		}
	default:
		return errors.New("the operation must be case or document")
	}
	return nil
}

// titleLength is how many characters of a title are sure to come back.
const titleLength = 200

func (reg *registration) addFile(f hub.File, fields map[string]any) {
	fields = maps.Clone(fields)
	if fields == nil {
		fields = map[string]any{}
	}
	extension := path.Ext(f.Name)
	title := text(fields, "Title")
	if title == "" {
		title = strings.TrimSpace(strings.TrimSuffix(f.Name, extension))
	}
	title = reg.unused(cut(title, titleLength))
	if text(fields, "Format") == "" {
		fields["Format"] = formatOf(extension, f.Type)
	}
	fields["Title"], fields["Note"] = title, string(reg.key)
	reg.files = append(reg.files, file{File: f, title: title, fields: fields})
}

// unused makes a title one that no earlier file has: "Ritning", "Ritning (2)".
func (reg *registration) unused(title string) string {
	if title == "" {
		title = "Bilaga"
	}
	unused := title
	for n := 2; reg.has(unused); n++ {
		unused = title + " (" + strconv.Itoa(n) + ")"
	}
	return unused
}

func (reg *registration) has(title string) bool {
	return slices.ContainsFunc(reg.files, func(f file) bool { return f.title == title })
}

// formatOf names a file's format as the product does: pdf, docx.
func formatOf(extension, mediaType string) string {
	if extension != "" && extension != "." {
		return strings.ToLower(extension[1:])
	}
	switch base, _, _ := mime.ParseMediaType(mediaType); base {
	case "application/pdf":
		return "pdf"
	case "application/xml", "text/xml":
		return "xml"
	case "application/json":
		return "json"
	case "image/jpeg":
		return "jpg"
	case "image/png":
		return "png"
	case "text/plain":
		return "txt"
	}
	return "bin"
}

// titlesIn gives the titles of the files in a document of the system that carry our Key; nil when
// the document is not ours. Ours without any file can only be told by its title, and only within a
// case that we made.
func (reg *registration) titlesIn(document map[string]any) []string {
	var titles []string
	for _, f := range objects(document["Files"]) {
		if text(f, "Note") == string(reg.key) {
			titles = append(titles, text(f, "Title"))
		}
	}
	if titles == nil && len(reg.files) == 0 && text(document, "Title") == text(reg.document, "Title") {
		return []string{}
	}
	return titles
}

// batchSize is how many bytes of files go in one call, unless a single file is larger: web servers
// refuse large requests, and what a lost call costs should be little.
const batchSize = 20 << 20

// next gives the files that are missing, as many as one call can carry.
func (reg *registration) next(there map[string]bool) []file {
	var batch []file
	var size int64
	for _, f := range reg.files {
		if there[f.title] {
			continue
		}
		if size += f.size(); size > batchSize && len(batch) > 0 {
			break
		}
		batch = append(batch, f)
	}
	return batch
}

// withContacts gives the parameter with each "ref:…" of its Contacts as a recno.
func (reg *registration) withContacts(parameter map[string]any) (map[string]any, error) {
	parameter = maps.Clone(parameter)
	if parameter["Contacts"] == nil {
		return parameter, nil
	}
	var contacts []any
	for _, c := range objects(parameter["Contacts"]) {
		if ref, ours := strings.CutPrefix(text(c, "ReferenceNumber"), "ref:"); ours {
			recno, known := reg.recnos[ref]
			if !known {
				return nil, errors.New("the document: a ref: names none of contacts")
			}
			c = maps.Clone(c)
			c["ReferenceNumber"] = recno
		}
		contacts = append(contacts, c)
	}
	parameter["Contacts"] = contacts
	return parameter, nil
}

func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:n]))
}
