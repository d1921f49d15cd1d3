package sifsim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
)

// calls are what the Sim can be asked to do. A call gives its reply, refusals among them; its error means
// that nothing could be made durable.
var calls = map[string]func(*Sim, object, Fault) (object, error){
	"ContactService/SynchronizePrivatePerson": (*Sim).synchronizePrivatePerson,
	"ContactService/SynchronizeEnterprise":    (*Sim).synchronizeEnterprise,
	"CaseService/GetCases":                    (*Sim).getCases,
	"CaseService/CreateCase":                  (*Sim).createCase,
	"DocumentService/GetDocuments":            (*Sim).getDocuments,
	"DocumentService/CreateDocument":          (*Sim).createDocument,
	"DocumentService/UpdateDocument":          (*Sim).updateDocument,
	"SupportService/GetCodeTableRows":         (*Sim).getCodeTableRows,
	"SupportService/GetEvents":                (*Sim).getEvents,
}

func (s *Sim) synchronizePrivatePerson(p object, _ Fault) (object, error) {
	if text(p, "LastName") == "" {
		return refused(bizException("LastName is required", "SynchronizePrivatePerson")), nil
	}
	id := text(p, "PersonalIdNumber")
	if _, err := hub.ParsePersonID(id); err != nil && id != "" && len(id) != 10 {
		return refused(bizException("PersonalIdNumber is not valid", "SynchronizePrivatePerson")), nil
	}
	if id == "" {
		id = text(p, "ExternalID")
	}
	return s.contact("person", id)
}

func (s *Sim) synchronizeEnterprise(p object, _ Fault) (object, error) {
	if text(p, "Name") == "" {
		return refused(bizException("Name is required", "SynchronizeEnterprise")), nil
	}
	return s.contact("enterprise", text(p, "EnterpriseNumber"))
}

// contact finds or makes the contact that is known by id; one that has none is new each time.
func (s *Sim) contact(kind, id string) (object, error) {
	sum := sha256.Sum256([]byte(kind + " " + id))
	hash := hex.EncodeToString(sum[:8])
	if recno, known := s.contacts[hash]; known && id != "" {
		return object{"Recno": recno}, nil
	}
	s.recno++
	err := s.record(Entry{Kind: ContactEntry, At: s.Clock(), Recno: s.recno, Hash: hash})
	return object{"Recno": s.recno}, err
}

func (s *Sim) createCase(p object, f Fault) (object, error) {
	if text(p, "Title") == "" {
		return refused(bizException("Title is required", "CreateCase")), nil
	}
	if wrong := s.wrongIn(p, caseCodes, caseRole); wrong != "" {
		return refused(bizException(wrong, "CreateCase")), nil
	}
	now, external := s.Clock(), object{}
	if id, ok := p["ExternalId"].(object); ok {
		external = id
	}
	s.recno++
	e := Entry{
		Kind: CaseEntry, At: now, Recno: s.recno, Title: text(p, "Title"),
		Number: fmt.Sprintf("%s %d/%05d", s.Prefix, now.In(hub.Stockholm).Year(), len(s.cases)+1),
		Key:    text(external, "Id"), Type: text(external, "Type"),
		Word: described(caseStatus, text(p, "Status")), Visible: now.Add(s.invisible(f)),
		Access: accessOf(p), Parties: parties(p),
	}
	return object{"Recno": e.Recno, "CaseNumber": e.Number}, s.record(e)
}

func (s *Sim) createDocument(p object, _ Fault) (object, error) {
	c := s.byNumber[text(p, "CaseNumber")]
	switch {
	case c == nil:
		return object{"Recno": 0, "DocumentNumber": nil, "ErrorMessage": "Case " + text(p, "CaseNumber") + " was not found", "ErrorDetails": ""}, nil
	case text(p, "Title") == "":
		return refused(bizException("Title is required", "CreateDocument")), nil
	}
	if wrong := s.wrongIn(p, documentCodes, documentRole); wrong != "" {
		return refused(bizException(wrong, "CreateDocument")), nil
	}
	s.recno++
	e := Entry{
		Kind: DocumentEntry, At: s.Clock(), Recno: s.recno, Title: text(p, "Title"), Case: c.Number,
		Number: c.Number + "-" + strconv.Itoa(len(c.documents)+1), Access: accessOf(p), Parties: parties(p),
	}
	var wrong string
	if e.Files, wrong = s.files(p); wrong != "" {
		return refused(bizException(wrong, "CreateDocument")), nil
	}
	if len(e.Files) > 0 {
		e.Key = e.Files[0].Note
	}
	return object{"Recno": e.Recno, "DocumentNumber": e.Number}, s.record(e)
}

func (s *Sim) updateDocument(p object, _ Fault) (object, error) {
	d := s.documents[text(p, "DocumentNumber")]
	if d == nil {
		return refused(bizException("Document was not found", "UpdateDocument")), nil
	}
	files, wrong := s.files(p)
	if wrong != "" {
		return refused(bizException(wrong, "UpdateDocument")), nil
	}
	s.recno++
	e := Entry{Kind: FilesEntry, At: s.Clock(), Recno: s.recno, Number: d.Number, Files: files}
	return object{"Recno": d.Recno, "DocumentNumber": d.Number}, s.record(e)
}

// files reads the Files of a parameter, whose bytes have become digests.
func (s *Sim) files(p object) (files []File, wrong string) {
	for _, f := range objects(p["Files"]) {
		sum, size, ok := parseDigest(text(f, "Base64Data"))
		if !ok {
			return nil, "Files: no data"
		}
		if text(f, "Title") == "" || text(f, "Format") == "" {
			return nil, "Files: Title and Format are required"
		}
		if wrong := unknownCode(f, fileCodes); wrong != "" {
			return nil, wrong
		}
		s.recno++
		files = append(files, File{
			Recno: s.recno, Title: text(f, "Title"), Format: text(f, "Format"), Note: text(f, "Note"),
			SHA256: sum, Size: size,
		})
	}
	return files, ""
}

// wrongIn finds what is wrong with the codes and contacts of a parameter.
func (s *Sim) wrongIn(p object, codes map[string]table, roles table) string {
	if wrong := unknownCode(p, codes); wrong != "" {
		return wrong
	}
	for _, c := range objects(p["Contacts"]) {
		recno, err := strconv.Atoi(strings.TrimPrefix(text(c, "ReferenceNumber"), "recno:"))
		if err != nil || !s.known[recno] {
			return "Contacts: contact was not found"
		}
		if !roles.has(text(c, "Role")) {
			return "Contacts: Role was not found"
		}
	}
	for _, c := range objects(p["UnregisteredContacts"]) {
		if text(c, "ContactName") == "" && text(c, "ContactCompanyName") == "" || !roles.has(text(c, "Role")) {
			return "UnregisteredContacts: a name and a Role are required"
		}
	}
	return ""
}

func parties(p object) int {
	return len(objects(p["Contacts"])) + len(objects(p["UnregisteredContacts"]))
}

func accessOf(p object) string {
	return strings.TrimSpace(text(p, "AccessCode") + " " + text(p, "Paragraph"))
}

func bizException(text, operation string) string {
	return "SI.Biz.Core.ServiceFramework.BizException: " + text + " <operation>" + operation + "</operation>"
}

// getCases searches by ExternalId, CaseNumber, Recno or LastDate, the newest case first.
func (s *Sim) getCases(p object, f Fault) (object, error) {
	external, byKey := p["ExternalId"].(object)
	candidates := s.cases
	if byKey {
		candidates = s.byKey[text(external, "Id")]
	}
	since, _ := parseTime(text(p, "LastDate"))
	now := s.Clock()
	var found []*aCase
	for _, c := range slices.Backward(candidates) {
		switch {
		case now.Before(c.Visible), c.changed.Before(since),
			byKey && text(external, "Type") != c.Type,
			text(p, "CaseNumber") != "" && text(p, "CaseNumber") != c.Number,
			number(p, "Recno", c.Recno) != c.Recno:
			continue
		}
		found = append(found, c)
	}
	if f.Way == Crossed || f.Way == TwoHits {
		found = f.find(found, text(external, "Id"))
	}
	return paged(p, "Cases", "MaxReturnedCases", found, (*aCase).shown), nil
}

func (c *aCase) shown() object {
	return object{
		"Recno": c.Recno, "CaseNumber": c.Number, "Title": c.Title, "Status": c.word,
		"ExternalId":  object{"Id": c.Key, "Type": c.Type},
		"Date":        c.At.In(hub.Stockholm).Format("2006-01-02") + "T00:00:00",
		"CreatedDate": localTime(c.At), "LastChangedDate": localTime(c.changed),
	}
}

// getDocuments lists the documents of a case, or one by its number.
func (s *Sim) getDocuments(p object, _ Fault) (object, error) {
	var documents []*aDocument
	if d := s.documents[text(p, "DocumentNumber")]; d != nil {
		documents = []*aDocument{d}
	}
	if wanted := text(p, "CaseNumber"); wanted != "" {
		c := s.byNumber[wanted]
		if c == nil {
			return object{"Documents": nil, "TotalCount": 0, "TotalPageCount": 0, "ErrorMessage": "Case " + wanted + " was not found"}, nil
		}
		documents = slices.Clone(c.documents)
	}
	slices.Reverse(documents)
	return paged(p, "Documents", "MaxReturnedDocuments", documents, func(d *aDocument) object {
		shown := object{
			"Recno": d.Recno, "DocumentNumber": d.Number, "CaseNumber": d.Case, "Title": d.Title,
			"CreatedDate": localTime(d.At), "StatusCode": "J", "StatusDescription": "Journalförd", "Files": nil,
		}
		if p["IncludeFiles"] == true {
			shown["Files"] = shownFiles(d.files)
		}
		return shown
	}), nil
}

func shownFiles(files []File) []object {
	shown := []object{}
	for _, f := range files {
		shown = append(shown, object{
			"Recno": f.Recno, "Title": f.Title, "Format": f.Format, "Note": f.Note, "Base64Data": nil,
		})
	}
	return shown
}

// getEvents tells which cases have had their status changed.
func (s *Sim) getEvents(p object, _ Fault) (object, error) {
	from, _ := parseTime(text(p, "FromDate"))
	to, limited := parseTime(text(p, "ToDate"))
	after, most := number(p, "Recno", 0), number(p, "LogCount", 1000)
	events, ended := []object{}, true
	for _, e := range s.changes {
		if e.At.Before(from) || limited && e.At.After(to) || e.Recno <= after {
			continue
		}
		if ended = len(events) < most; !ended {
			break
		}
		events = append(events, object{
			"Recno": e.Recno, "Type": "Updated", "EntityName": "Case", "InsertedDate": localTime(e.At),
			"EntityRecno": strconv.Itoa(s.byNumber[e.Number].Recno), "Data": object{},
		})
	}
	return object{"Events": events, "SkippedLogs": 0, "IsEndOfLog": ended}, nil
}

// paged shows one page, from 0, of what was found.
func paged[T any](p object, list, most string, found []T, show func(T) object) object {
	size := max(number(p, most, 50), 1)
	from := min(number(p, "Page", 0)*size, len(found))
	page := []object{}
	for _, item := range found[from:min(from+size, len(found))] {
		page = append(page, show(item))
	}
	return object{list: page, "TotalCount": len(found), "TotalPageCount": (len(found) + size - 1) / size}
}

// localTime writes a time as the product does: Swedish, without a zone.
func localTime(t time.Time) string { return t.In(hub.Stockholm).Format("2006-01-02T15:04:05.000") }

func parseTime(s string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, true
	}
	t, err := time.ParseInLocation("2006-01-02T15:04:05", s, hub.Stockholm)
	return t, err == nil
}
