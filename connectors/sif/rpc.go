package sif

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knutpunkt/knutpunkt/hub"
	"github.com/knutpunkt/knutpunkt/hub/document"
)

// ask makes a call that may be made again at no harm: a look-up, or a contact that the system
// recognises. What fails is a *not now*, except a refusal.
func (s *site) ask(ctx context.Context, client *http.Client, method string, parameter map[string]any) (reply, error) {
	answer, err := s.call(ctx, client, method, parameter, nil)
	switch a, _, cause := hub.AnswerOf(hub.Receipt{Number: "none"}, err); {
	case a != hub.DontKnow:
		return answer, err
	case cause != "":
		return nil, hub.Unavailable(err, cause)
	}
	return nil, hub.Later(err, 0)
}

// create makes a call that must not be made twice. What fails after the first byte left is a *don't
// know*, except a refusal and a status that says that it was not taken. Whoever says 503 for a system
// need not know what it did, so that it is left alone until what it may have made can be seen.
func (s *site) create(ctx context.Context, method string, parameter map[string]any, files []file) (reply, error) {
	answer, err := s.call(ctx, s.env.HTTP, method, parameter, files)
	var status *statusError
	if !errors.As(err, &status) || status.code != http.StatusServiceUnavailable {
		return answer, err
	}
	_, wait, _ := hub.AnswerOf(hub.Receipt{}, err)
	return nil, hub.Later(err, max(wait, 2*s.conf.Lag))
}

// A statusError is an answer whose HTTP status is what counts. What it wraps says what it means.
type statusError struct {
	method string
	code   int
	err    error
}

func (e *statusError) Error() string { return fmt.Sprintf("%s: HTTP status %d", e.method, e.code) }
func (e *statusError) Unwrap() error { return e.err }

// call makes one call and reads its answer: a reply that is no refusal, or an error that is one of the
// hub's answers.
func (s *site) call(ctx context.Context, client *http.Client, method string, parameter map[string]any, files []file) (reply, error) {
	req, err := s.request(ctx, method, parameter, files)
	if err != nil {
		return nil, hub.Reject(fmt.Errorf("%s: %w", method, err))
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, hub.WithoutAddress(err))
	}
	defer resp.Body.Close()
	if err := hub.ByStatus(resp, s.env.Clock()); err != nil {
		return nil, &statusError{method, resp.StatusCode, err}
	}
	answer, err := readReply(resp.Body)
	if err != nil {
		return nil, hub.Strange(fmt.Errorf("%s: %w", method, err))
	}
	if answer.isRefusal() {
		return nil, hub.Reject(fmt.Errorf("%s: %s", method, answer.refusal(parameter)))
	}
	return answer, nil
}

func (s *site) request(ctx context.Context, method string, parameter map[string]any, files []file) (*http.Request, error) {
	body, err := newBody(parameter, files)
	if err != nil {
		return nil, err
	}
	address := strings.TrimRight(s.conf.URL, "/") + "/" + method
	if s.conf.ClientID != "" && s.conf.ClientIDIn == "query" {
		address += "?clientId=" + url.QueryEscape(s.conf.ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, body.open(ctx))
	if err != nil {
		return nil, errors.New("the address cannot be called")
	}
	req.ContentLength = body.length
	req.GetBody = func() (io.ReadCloser, error) { return body.open(ctx), nil } // for where nothing was written
	req.Header.Set("Authorization", "authkey "+s.conf.AuthKey.Reveal())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if s.conf.ClientID != "" && s.conf.ClientIDIn == "header" {
		req.Header.Set("clientid", s.conf.ClientID)
	}
	return req, nil
}

// A reply is what the system answered with status 200, refusal or not.
type reply map[string]any

// maxReply bounds what is read of an answer. A page of cases or documents is the largest.
const maxReply = 8 << 20

func readReply(r io.Reader) (reply, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxReply+1))
	if err != nil {
		return nil, errors.New("the answer is cut")
	}
	tree, err := document.ReadJSON(body, document.Limits{Bytes: maxReply, Elements: 1_000_000})
	if err != nil {
		return nil, fmt.Errorf("the answer is no reply: %w", err)
	}
	object, _ := tree.(map[string]any)
	if _, said := object["Successful"].(bool); !said {
		return nil, errors.New("the answer is no reply: it does not say whether it was successful")
	}
	return object, nil
}

// isRefusal reports whether the system said no: Successful is false, or there is an error text
// although it is true.
func (r reply) isRefusal() bool {
	return r["Successful"] == false || text(r, "ErrorMessage") != ""
}

var (
	exception = regexp.MustCompile(`^[A-Za-z.]{0,80}Exception`)
	digits    = regexp.MustCompile(`[0-9]+`)
)

// refusal says what the system's text may tell: the sort of exception, the fields of ours that it names,
// and a fingerprint by which equal refusals are known. The text itself may quote a person.
func (r reply) refusal(parameter map[string]any) string {
	said := text(r, "ErrorMessage")
	sum := sha256.Sum256(digits.ReplaceAll([]byte(said), []byte("#")))
	about := []string{"refused"}
	if class := exception.FindString(said); class != "" {
		about = append(about, class[strings.LastIndexByte(class, '.')+1:])
	}
	if named := fieldsNamed(said, parameter); len(named) > 0 {
		about = append(about, "it names "+strings.Join(named, " and "))
	}
	return strings.Join(append(about, "fingerprint "+hex.EncodeToString(sum[:4])), ", ")
}

// fieldsOfSIF are the fields that refusals are known to name.
var fieldsOfSIF = []string{
	"AccessCode", "AccessGroup", "Archive", "ArchiveCode", "ArchiveType", "CaseNumber", "CaseType", "Category",
	"Contacts", "DocumentDate", "DocumentNumber", "EnterpriseNumber", "ExternalId", "Files", "Format",
	"JournalDate", "Paragraph", "PersonalIdNumber", "ReferenceNumber", "ResponsibleEnterpriseRecno", "Role",
	"StartDate", "Status", "SubArchive", "Title", "VersionFormat",
}

func fieldsNamed(said string, parameter map[string]any) []string {
	var named []string
	for _, word := range strings.FieldsFunc(said, func(r rune) bool { return !isNameByte(r) }) {
		_, sent := parameter[word]
		if (sent || slices.Contains(fieldsOfSIF, word)) && !slices.Contains(named, word) {
			named = append(named, word)
		}
	}
	return named
}

func isNameByte(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }

// list gives the objects of a list. An answer that lacks the list is none, unless it says that there is
// nothing to list; nor is one that counts what it does not list.
func (r reply) list(method, name string, page int) ([]map[string]any, error) {
	items, isList := r[name].([]any)
	list := objects(items)
	total, counted := r["TotalCount"].(json.Number)
	switch {
	case isList && len(list) == len(items) && (len(items) > 0 || page > 0 || r.count("TotalCount") == 0):
		return list, nil
	case r[name] == nil && counted && total == "0":
		return nil, nil
	}
	return nil, hub.Strange(fmt.Errorf("%s: the answer has no %s", method, name))
}

// lastPage reports whether page, from 0, of so many items is the last.
func (r reply) lastPage(page, items int) bool {
	if pages := r.count("TotalPageCount"); pages > 0 {
		return page+1 >= pages
	}
	return items < pageSize
}

// count gives a small number; 0 for what is none.
func (r reply) count(name string) int {
	literal, _ := r[name].(json.Number)
	n, err := strconv.Atoi(string(literal))
	if err != nil {
		return 0
	}
	return n
}

// recno gives the number by which the system knows what the reply is about; "" for none.
func (r reply) recno() string {
	if n := r.count("Recno"); n > 0 {
		return strconv.Itoa(n)
	}
	return ""
}

// text gives a member that is a text, without surrounding blanks; "" for anything else.
func text(object map[string]any, name string) string {
	s, _ := object[name].(string)
	return strings.TrimSpace(s)
}

// objects gives the objects of a list.
func objects(list any) []map[string]any {
	var found []map[string]any
	items, _ := list.([]any)
	for _, item := range items {
		if object, ok := item.(map[string]any); ok {
			found = append(found, object)
		}
	}
	return found
}

// parseTime reads a time as the product writes it: with a zone, or without one and then Swedish.
func parseTime(s string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, true
	}
	t, err := time.ParseInLocation("2006-01-02T15:04:05", s, hub.Stockholm)
	return t, err == nil
}
