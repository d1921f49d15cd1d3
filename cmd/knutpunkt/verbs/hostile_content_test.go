package verbs

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
)

// envelopeRows break our own JSON, or only look as if they did.
func (b *hostileBed) envelopeRows() []hostileRow {
	var rows []hostileRow
	refused := func(n int, name, body, want, code string) {
		rows = append(rows, hostileRow{n: n, name: name, request: b.post(body), want: want, code: code})
	}
	received := func(n int, name, becomes string, changes ...string) {
		rows = append(rows, hostileRow{n: n, name: name, request: b.post(b.form(changes...)), want: "202", becomes: becomes})
	}
	person := func(number string) string {
		return b.form(`applicant={"personalIdentityNumber":"` + number + `"}`)
	}
	refused(41, "empty", "", "400 malformed-json", "empty")
	refused(41, "blank", " \r\n", "400 malformed-json", "empty")
	refused(41, "null", "null", "422 validation-failed", "wrong-type")
	refused(41, "list", "[]", "422 validation-failed", "wrong-type")
	refused(41, "text", `"x"`, "422 validation-failed", "wrong-type")
	refused(42, "truncated", b.form()[:60], "400 malformed-json", "truncated")
	refused(42, "trailing", b.form()+"x", "400 malformed-json", "trailing")
	refused(42, "two documents", b.form()+b.form(), "400 malformed-json", "trailing")
	refused(43, "key twice", b.form(`answers={"pnr":1,"pnr":2}`), "400 malformed-json", "duplicate-key")
	refused(43, "case twin", b.form(`answers={"pnr":1,"PNR":2}`), "400 malformed-json", "duplicate-key")
	refused(43, "case twin of the envelope", strings.Replace(b.form(), "{", `{"Service":"702",`, 1), "400 malformed-json", "duplicate-key")
	refused(44, "invalid UTF-8", b.form("answers={\"a\":\"\xff\"}"), "400 malformed-json", "encoding")
	refused(44, "lone surrogate", b.form(`answers={"a":"\ud800"}`), "400 malformed-json", "encoding")
	refused(44, "UTF-16", "\xff\xfe{\x00}\x00", "400 malformed-json", "encoding")
	refused(44, "UTF-16 without a mark", "{\x00}\x00", "400 malformed-json", "encoding")
	refused(44, "byte order mark", "\xef\xbb\xbf"+b.form(), "400 malformed-json", "encoding")
	refused(45, "65 deep", b.form("answers="+strings.Repeat(`{"a":`, 65)+"1"+strings.Repeat("}", 65)), "400 malformed-json", "too-deep")
	refused(45, "10,000 deep", strings.Repeat("[", 10_000), "400 malformed-json", "too-deep")
	refused(46, "NUL in the envelope", b.form(`service="a\u0000b"`), "422 control-character", "control-character")
	refused(46, "a line break in the envelope", b.form(`source={"system":"portal","id":"1\n2"}`), "422 control-character", "control-character")
	refused(46, "C0 in the envelope", b.form(`formVersion="\u001b[2J"`), "422 control-character", "control-character")
	received(46, "NUL in the content, for a system that has none", "HELD unmappable-character", `service="latin"`, `answers={"text":"a\u0000b"}`)
	refused(47, "huge number in the envelope", b.form(`attachments=[{"size":1e400}]`), "422 validation-failed", "wrong-type")
	refused(47, "long number in the envelope", b.form(`attachments=[{"size":18446744073709551616}]`), "422 validation-failed", "wrong-type")
	received(47, "numbers in the content", "COMPLETED", `answers={"a":1e400,"b":18446744073709551616,"c":191212121212345678,"text":"x"}`)
	refused(48, "over 2 MiB", b.form(`answers={"a":"`+strings.Repeat("a", 2<<20)+`"}`), "413 payload-too-large", "")
	refused(49, "100,000 fields", b.form("answers={"+manyFields(100_000)+"}"), "413 payload-too-large", "too-large")
	refused(49, "a field over 1 MiB", b.form(`answers={"a":"`+strings.Repeat("a", 1<<20+1)+`"}`), "413 payload-too-large", "too-large")
	refused(50, "version 99", b.form("v=99"), "422 unsupported-version", "unsupported-version")
	received(51, "unknown service", "HELD no-route", `service="ingen-vet"`)
	rows = append(rows, hostileRow{n: 52, name: "service out of scope", request: call("POST", "/v1/submissions", b.form(`service="702"`), b.as("smal"), isJSON, b.key()), want: "403 forbidden-scope"})
	for _, number := range []string{wrongNumber, citizen[2:], "19121212+1212", "199002312385", "162021004748", "19900101-2385"} {
		refused(53, number, person(number), "422 invalid-identity", "invalid-identity")
	}
	received(53, "samordningsnummer", "COMPLETED", `applicant={"personalIdentityNumber":"198206822390"}`)
	received(53, "organisation", "COMPLETED", `applicant={"organisationNumber":"2021004748"}`)
	rows = append(rows,
		hostileRow{n: 54, name: "wrong number in the form", want: "202", becomes: "HELD rule", request: call("POST", "/v1/submissions", b.form(
			`municipality="1285"`, `service="kulturskola"`, fmt.Sprintf(`source={"system":"hemsidan","id":"%d"}`, b.next()),
			`answers={"barn":{"personnummer":"`+wrongNumber+`"},"instrument":["fiol"]}`), b.as("hemsidan"), isJSON, b.key())},
		hostileRow{n: 55, name: "applies for another than who has logged in", notYet: "the envelope does not say who has logged in at the platform"},
	)
	received(56, "submitted in 1900", "COMPLETED", `submitted="1900-01-01T00:00:00Z"`)
	received(56, "submitted in 2999", "COMPLETED", `submitted="2999-01-01T00:00:00Z"`)
	for i, text := range []string{
		"\u202egpj.exe", "a\u200bb", "\u0430\u0440\u0440le", "😀👨‍👩‍👧", "a\u030a ≠ å", "𠮷", "z" + strings.Repeat("\u0301", 500),
		`=cmd|' /C calc'!A0`, "<script>alert(1)</script>", "{{7*7}}", "${answers}", "${jndi:ldap://" + b.trap.Addr().String() + "/a}", "'; DROP TABLE submissions;--", "]]>", "&#0;",
	} {
		n := 57
		if i >= 7 {
			n = 58
		}
		rows = append(rows, hostileRow{n: n, name: fmt.Sprintf("text %d", i), act: func(t *testing.T, b *hostileBed) { b.passesOn(t, text) }})
	}
	received(57, "a character that the system's charset lacks", "HELD unmappable-character", `service="latin"`, `answers={"text":"𠮷"}`)
	received(59, "fields that nobody knows", "COMPLETED", `answers={"text":"x","`+hiddenName+`":{"a":[1,null,true]}}`)
	rows = append(rows, hostileRow{n: 59, name: "content that the route cannot read", want: "202", becomes: "HELD unreadable", request: call("POST", "/v1/submissions", b.form(
		`municipality="1285"`, `service="kulturskola"`, fmt.Sprintf(`source={"system":"hemsidan","id":"%d"}`, b.next()), `answers={"barn":7}`), b.as("hemsidan"), isJSON, b.key())})
	return rows
}

func manyFields(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `"f%d":1,`, i)
	}
	return strings.TrimSuffix(text.String(), ",")
}

// xmlRows break XML, as a form platform could.
func (b *hostileBed) xmlRows() []hostileRow {
	var rows []hostileRow
	refused := func(n int, name, body, want, code string) {
		rows = append(rows, hostileRow{n: n, name: name, request: b.oep(body), want: want, code: code})
	}
	address := "http://" + b.trap.Addr().String() + "/x"
	for name, doctype := range map[string]string{
		"bare":            `<!DOCTYPE FlowInstance>`,
		"a file":          `<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>`,
		"an address":      `<!DOCTYPE a SYSTEM "` + address + `">`,
		"a public one":    `<!DOCTYPE a PUBLIC "-//X//Y" "` + address + `">`,
		"billion laughs":  `<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>`,
		"quadratic":       `<!DOCTYPE a [<!ENTITY a "` + strings.Repeat("a", 50_000) + `">]>`,
		"parameters":      `<!DOCTYPE a [<!ENTITY % p SYSTEM "` + address + `"> %p;]>`,
		"never closed":    `<!DOCTYPE a [`,
		"after a comment": `<!-- x --><!DOCTYPE a>`,
	} {
		refused(60, name, doctype+b.flow(), "400 malformed-xml", "doctype-not-allowed")
	}
	refused(41, "no form, as XML", "<html/>", "422 validation-failed", "not-a-flowinstance")
	refused(43, "its number twice, as XML", b.flow("<LastSubmitted>", "<FlowInstanceID>7</FlowInstanceID><LastSubmitted>"), "422 validation-failed", "element-repeated")
	refused(43, "two municipalities, as XML", b.flow("</Parameter>", "</Parameter><Parameter><Name>municipalityId</Name><Value>1285</Value></Parameter>"), "422 validation-failed", "municipality-invalid")
	refused(46, "NUL, as XML", b.flow("Åke", "&#0;"), "400 malformed-xml", "malformed")
	refused(46, "C0, as XML", b.flow("Åke", "\x01"), "400 malformed-xml", "malformed")
	refused(47, "a number too long, as XML", b.flow("<FlowInstanceID>5", "<FlowInstanceID>18446744073709551616"), "422 validation-failed", "element-invalid")
	rows = append(rows, b.read(46, "C0 by its number, as XML 1.1", `<?xml version="1.1"?>`+b.flow("Åke", "&#1;"), "\x01 Ängö"))
	refused(61, "two roots", b.flow()+"<a/>", "400 malformed-xml", "trailing")
	refused(61, "text after", b.flow()+"x", "400 malformed-xml", "trailing")
	refused(61, "text before", "x"+b.flow(), "400 malformed-xml", "malformed")
	refused(61, "empty", "", "400 malformed-xml", "empty")
	refused(61, "a comment alone", "<!-- x -->", "400 malformed-xml", "empty")
	refused(61, "processing instruction", b.flow("<Values>", "<?php x?><Values>"), "400 malformed-xml", "malformed")
	refused(61, "stylesheet", `<?xml-stylesheet href="`+address+`"?>`+b.flow(), "400 malformed-xml", "malformed")
	refused(61, "truncated", b.flow()[:400], "400 malformed-xml", "truncated")
	refused(62, "101 deep", b.flow("<Values>", "<Values>"+strings.Repeat("<a>", 101)+strings.Repeat("</a>", 101)), "400 malformed-xml", "too-deep")
	refused(62, "100,000 deep", b.flow("<Values>", "<Values>"+strings.Repeat("<a>", 100_000)), "400 malformed-xml", "too-deep")
	refused(62, "50,001 elements", b.flow("<Values>", "<Values>"+strings.Repeat("<a/>", 50_001)), "413 payload-too-large", "too-large")
	refused(62, "257 attributes", b.flow("<Values>", "<Values"+attributes(257)+">"), "413 payload-too-large", "too-large")
	refused(62, "over 5 MiB", b.flow("<Values>", "<Values><a>"+strings.Repeat("a", 5<<20)+"</a>"), "413 payload-too-large", "too-large")
	refused(63, "attribute twice", b.flow("<Values>", `<Values a="1" a="2">`), "400 malformed-xml", "malformed")
	refused(63, "attribute twice by two prefixes", b.flow("<Values>", `<Values xmlns:p="u" xmlns:q="u" p:a="1" q:a="2">`), "400 malformed-xml", "malformed")
	refused(63, "unknown prefix", b.flow("<Values>", "<Values><p:a/>"), "400 malformed-xml", "malformed")
	refused(63, "prefix for nothing", b.flow("<Values>", `<Values xmlns:p="">`), "400 malformed-xml", "malformed")
	refused(64, "mislabelled", `<?xml version="1.0" encoding="ISO-8859-1"?>`+b.flow(), "400 malformed-xml", "encoding")
	refused(64, "another charset", `<?xml version="1.0" encoding="koi8-r"?>`+b.flow(), "400 malformed-xml", "encoding")
	refused(64, "no UTF-8", b.flow("Åke", "\xc5ke"), "400 malformed-xml", "encoding")
	latin := func(text string) string {
		return strings.NewReplacer("Å", "\xc5", "Ä", "\xc4", "ö", "\xf6", "€", "\x80").Replace(text)
	}
	rows = append(rows,
		b.read(64, "ISO-8859-1", latin(`<?xml version="1.0" encoding="ISO-8859-1"?>`+b.flow()), "Åke Ängö"),
		b.read(64, "windows-1252", latin(`<?xml version="1.0" encoding="windows-1252"?>`+b.flow("Ängö", "1 €")), "Åke 1 €"),
		b.read(65, "UTF-8 with a mark", "\xef\xbb\xbf"+b.flow(), "Åke Ängö"),
	)
	refused(65, "UTF-16", sixteen(b.flow()), "400 malformed-xml", "encoding")
	refused(66, "comment in a value", b.flow("Åke Ängö", "1990<!-- -->01012385"), "400 malformed-xml", "malformed")
	refused(66, "comment in the number that says whose it is", b.flow("<Value>1080", "<Value>10<!-- -->80"), "400 malformed-xml", "malformed")
	rows = append(rows,
		hostileRow{n: 67, name: "signature wrapping", notYet: "no signature in XML is believed, and none is asked for"},
		hostileRow{n: 68, name: "names out of the content", act: func(t *testing.T, b *hostileBed) {
			id := b.send(t, b.post(b.form(`answers={"root><evil a=\"1\"":"x","<!DOCTYPE a>":1,"text":"Åke"}`, `service="latin"`))).id(t)
			b.expect(id, "COMPLETED")
			b.standsAs(t, id, "delivered")
			if got := read(b.dir + "/data/arkiv/in/" + id + "-arkiv.xml"); !strings.HasSuffix(strings.TrimSpace(got), "<Text>\xc5ke</Text>") {
				t.Errorf("the system got %q", got)
			}
		}},
		b.read(69, "inclusion, a schema elsewhere, another type", b.flow("<Values>", `<Values xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x `+
			address+`" xsi:type="x"><include xmlns="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/><include xmlns="http://www.w3.org/2001/XInclude" href="`+address+`"/>`), "Åke Ängö"),
	)
	return rows
}

// read is a row of a form whose text the system is to get as it was meant.
func (b *hostileBed) read(n int, name, form, text string) hostileRow {
	return hostileRow{n: n, name: name, act: func(t *testing.T, b *hostileBed) {
		id := b.send(t, b.oep(form)).id(t)
		b.expect(id, "COMPLETED")
		b.delivered[id] = text
	}}
}

func attributes(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, ` a%d=""`, i)
	}
	return text.String()
}

// sixteen writes a text in UTF-16 with its mark.
func sixteen(text string) string {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return string(out)
}
