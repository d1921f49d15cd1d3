package hub

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func webhookSecret(fill string, length int) Secret {
	key := strings.Repeat(fill, length)[:length]
	return NewSecret("whsec_" + base64.StdEncoding.EncodeToString([]byte(key)))
}

var signedAt = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func signed(id string, at time.Time, signatures ...string) http.Header {
	return http.Header{
		WebhookID: {id}, WebhookTimestamp: {strconv.FormatInt(at.Unix(), 10)}, WebhookSigned: {strings.Join(signatures, " ")},
	}
}

// TestTheStandardsOwnLibraryAgrees holds our signatures against the library of Standard
// Webhooks: each verifies what the other has signed.
func TestTheStandardsOwnLibraryAgrees(t *testing.T) {
	for _, body := range []string{"", "{}", `{"word":"Beslutat"}`, "åäö\x00\xff", strings.Repeat("x", 64<<10)} {
		for _, length := range []int{24, 32, 64} {
			secret := webhookSecret("k€y", length)
			theirs, err := standardwebhooks.NewWebhook(secret.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			ours := WebhookSignature(secret, "msg_1", signedAt, []byte(body))
			if signature, err := theirs.Sign("msg_1", signedAt, []byte(body)); err != nil || signature != ours {
				t.Errorf("%d bytes of body, a secret of %d: we sign %s and they %s", len(body), length, ours, signature)
			}
			if err := theirs.VerifyIgnoringTimestamp([]byte(body), signed("msg_1", signedAt, ours)); err != nil {
				t.Errorf("%d bytes of body: they do not verify what we sign: %v", len(body), err)
			}
		}
	}
}

func TestVerifyWebhook(t *testing.T) {
	body := []byte(`{"event":"1"}`)
	old, present, stranger := webhookSecret("old", 24), webhookSecret("new", 32), webhookSecret("who", 32)
	both := []Secret{old, present}
	good := WebhookSignature(present, "msg_1", signedAt, body)
	with := func(change func(http.Header)) http.Header {
		h := signed("msg_1", signedAt, good)
		change(h)
		return h
	}
	for _, tc := range []struct {
		name   string
		header http.Header
		now    time.Time
		want   error
		why    string
	}{
		{"the present secret", signed("msg_1", signedAt, good), signedAt, nil, ""},
		{"the old secret", signed("msg_1", signedAt, WebhookSignature(old, "msg_1", signedAt, body)), signedAt, nil, "two secrets overlap while one is changed"},
		{"several signatures", signed("msg_1", signedAt, WebhookSignature(stranger, "msg_1", signedAt, body), "v1a,AAAA", good), signedAt, nil, "who signs may be changing secrets too"},
		{"on two lines", with(func(h http.Header) { h[WebhookSigned] = []string{"v1,AAAA", good} }), signedAt, nil, "a list is a list"},
		{"a slow line", signed("msg_1", signedAt, good), signedAt.Add(WebhookWindow), nil, "five minutes are allowed"},
		{"a clock ahead", signed("msg_1", signedAt, good), signedAt.Add(-WebhookWindow), nil, "both ways"},

		{"no headers", http.Header{}, signedAt, ErrWebhookSignature, "who signs nothing has no signature"},
		{"an empty signature", signed("msg_1", signedAt), signedAt, ErrWebhookSignature, ""},
		{"a stranger's secret", signed("msg_1", signedAt, WebhookSignature(stranger, "msg_1", signedAt, body)), signedAt, ErrWebhookSignature, ""},
		{"another id", signed("msg_2", signedAt, good), signedAt, ErrWebhookSignature, "the id is signed"},
		{"another time", signed("msg_1", signedAt.Add(time.Second), good), signedAt, ErrWebhookSignature, "the time is signed"},
		{"only v1a", signed("msg_1", signedAt, "v1a"+strings.TrimPrefix(good, "v1")), signedAt, ErrWebhookSignature, "v1 is what was agreed: a weaker or unknown way is not looked at"},
		{"no version", signed("msg_1", signedAt, strings.TrimPrefix(good, "v1,")), signedAt, ErrWebhookSignature, ""},
		{"half a signature", signed("msg_1", signedAt, good[:len(good)/2]), signedAt, ErrWebhookSignature, ""},

		{"too old", signed("msg_1", signedAt, good), signedAt.Add(WebhookWindow + time.Second), ErrWebhookTime, "an old call is a call that somebody kept"},
		{"too early", signed("msg_1", signedAt, good), signedAt.Add(-WebhookWindow - time.Second), ErrWebhookTime, ""},
		{"no time", with(func(h http.Header) { h.Del(WebhookTimestamp) }), signedAt, ErrWebhookTime, ""},
		{"a time in words", with(func(h http.Header) { h.Set(WebhookTimestamp, "2026-03-02T09:00:00Z") }), signedAt, ErrWebhookTime, ""},
		{"a time with decimals", with(func(h http.Header) { h.Set(WebhookTimestamp, "1772442000.5") }), signedAt, ErrWebhookTime, ""},
		{"the end of time", with(func(h http.Header) { h.Set(WebhookTimestamp, "9223372036854775807") }), signedAt, ErrWebhookTime, "no arithmetic goes round"},
		{"the beginning of time", with(func(h http.Header) { h.Set(WebhookTimestamp, "-9223372036854775808") }), signedAt, ErrWebhookTime, ""},
		{"two times", with(func(h http.Header) { h.Add(WebhookTimestamp, "1") }), signedAt, ErrWebhookTime, "which one was signed is not for us to choose"},

		{"no id", with(func(h http.Header) { h.Del(WebhookID) }), signedAt, ErrWebhookID, ""},
		{"two ids", with(func(h http.Header) { h.Add(WebhookID, "msg_2") }), signedAt, ErrWebhookID, ""},
		{"an id with a full stop", signed("msg.1", signedAt, WebhookSignature(present, "msg.1", signedAt, body)), signedAt, ErrWebhookID, "what is signed could be read in two ways"},
		{"an id with a space", signed("msg 1", signedAt, good), signedAt, ErrWebhookID, ""},
		{"an endless id", signed(strings.Repeat("x", 201), signedAt, good), signedAt, ErrWebhookID, ""},
	} {
		if err := VerifyWebhook(both, tc.header, body, tc.now); !errors.Is(err, tc.want) || (tc.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v (%s)", tc.name, err, tc.want, tc.why)
		}
	}
	if err := VerifyWebhook(both, signed("msg_1", signedAt, good), []byte(`{"event":"2"}`), signedAt); !errors.Is(err, ErrWebhookSignature) {
		t.Errorf("another body: %v", err)
	}
	if err := VerifyWebhook(nil, signed("msg_1", signedAt, good), body, signedAt); !errors.Is(err, ErrWebhookSignature) {
		t.Errorf("without secrets: %v", err)
	}
}

// TestASecretThatCannotSignSignsNothing: nothing is signed, or taken as signed, by a key
// that is empty or too short to be one.
func TestASecretThatCannotSignSignsNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		secret Secret
		says   string
	}{
		"none":           {Secret{}, "whsec_"},
		"no prefix":      {NewSecret(base64.StdEncoding.EncodeToString(make([]byte, 32))), "whsec_"},
		"a public key":   {NewSecret("whpk_AAAA"), "whsec_"},
		"empty":          {NewSecret("whsec_"), "24–64"},
		"too short":      {webhookSecret("k", 23), "24–64"},
		"too long":       {webhookSecret("k", 65), "24–64"},
		"no base64":      {NewSecret("whsec_hemlig!hemlig!hemlig!hemlig!hemlig"), "base64"},
		"url-safe":       {NewSecret("whsec_" + base64.URLEncoding.EncodeToString([]byte(strings.Repeat("\xff", 30)))), "base64"},
		"without its =s": {NewSecret(strings.TrimRight(webhookSecret("k", 25).Reveal(), "=")), "base64"},
	} {
		err := CheckWebhookSecret(tc.secret)
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want it to speak of %s", name, err, tc.says)
			continue
		}
		if text := strings.TrimPrefix(tc.secret.Reveal(), "whsec_"); text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the secret is told: %v", name, err)
		}
		if s := WebhookSignature(tc.secret, "msg_1", signedAt, nil); s != "" {
			t.Errorf("%s: signs", name)
		}
		if err := VerifyWebhook([]Secret{tc.secret}, signed("msg_1", signedAt, "v1,"), nil, signedAt); !errors.Is(err, ErrWebhookSignature) {
			t.Errorf("%s: verifies: %v", name, err)
		}
	}
}
