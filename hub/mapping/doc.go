// Package mapping is the language in which people say what document a business system
// gets: it reads a mapping's file, checks it and renders documents. It is the only door
// to expr, whose expressions stand in it, and gives them our meaning of what is missing.
//
// A mapping is a YAML tree that is shaped like the output. Text is text; a ${ } holds a
// value; a key that begins with $ holds an instruction; a key that ends with ? may be
// left out:
//
//	operation: arende                  # what the system is to do with the document
//	output: xml                        # or json
//	charset: iso-8859-1                # of xml; utf-8 unless it is said
//	schema: diarium/arende-1.2.xsd     # under schemas/; held against every document
//	tables:
//	  handlingstyp: { ansökan: ANS, bilaga: BIL }
//	document:
//	  Arende:
//	    $attrs: { version: "1.2" }
//	    Titel: ${service.title}, ${answers.fastighet}
//	    Epost?: ${answers.epost}
//	    Handling:
//	      $for: fil in attachments
//	      $if: fil.size > 0
//	      Filnamn: ${fil.name}
//
// A mapping for a system that has no schema says so: schema: none. One that says nothing
// compiles, so that what was planned with it goes on; checking a configuration tells of it.
//
// Five rules hold everywhere:
//
//  1. A missing value is an error with file and line, unless the key ends with ? or the
//     expression says what else (answers.epost ?? "-"). What is absent has only absent
//     fields, and a function of something absent is absent.
//  2. A table without the entry is a missing value.
//  3. A value alone in its place keeps its type, in JSON; a number keeps its digits.
//  4. No clock, no randomness: a document is a function of its hub.Known alone.
//  5. Who has an identity number cannot slip in unseen: ${personnummer(parties.sökande)}
//     is a number, ${parties.sökande} is an error.
//
// A key with a text and a ? is left out when a value in it is absent or the text is empty;
// a key with other keys below it, when nothing came of them. A list in YAML, and $for,
// repeat an element in XML and make an array in JSON. Beside $attrs, $if and $for the text
// of an element stands under $text, and a value in JSON under $value. A key that begins
// with $$ is a key with one $, and $${ is the text ${.
//
// # Names
//
// The tables in names.go say which fields each of these has:
//
//	answers                       the form's, by the form's own names
//	parties.ROLE                  who has the role, or a list where several have it
//	NAME                          of a register's answer, as the route calls it; or a list
//	LEG, case.LEG                 receipts: of a leg that is waited for, of the case
//	attachments                   a list
//	service, municipality, submission, delivery, source, inkommen
//	tables.NAME[word]
//
// Where a protected person is in the submission and the route withholds, no register's
// address is to be had: address, special, abroad and property are absent for everybody.
//
// # Checking
//
// Compile finds what can be known of a mapping alone, and CheckFor what can be known where a
// leg of a route uses it. RunTests holds it against its schema before there is a document:
// what the schema does not have there, or requires, or refuses of texts and codes that are
// fixed. It never refuses what the schema lets pass.
//
// # Tests
//
// Beside mappings/SYSTEM/DOCUMENT.yaml stand its tests in DOCUMENT.test/CASE/, a given.json
// and a want.xml or want.json. Its persons are invented, with Skatteverket's official test
// numbers and no others. A mapping that reads what a register told must have a test called
// skyddad, in which somebody is protected. A given.json is a hub.Known:
//
//	{"municipality": {"code": "1080", "name": "Karlskrona kommun"},
//	 "title": "Bygglov för altan",
//	 "submission": {
//	   "id": "01JQ…", "service": "702", "version": "1",
//	   "source": {"system": "karlskrona.oep", "id": "4711", "version": "1"},
//	   "inkommen": "2026-03-02T10:00:00+01:00",
//	   "parties": [{"role": "sökande", "id": "189001019802"}],
//	   "answers": {"fastighet": "Eken 4"},
//	   "attachments": [{"name": "ritning.pdf", "type": "application/pdf", "size": 1024}]},
//	 "registers": {"sökande": {"id": "189001019802", "given": "Tolvan", "family": "Tolvansson", "protection": "none"}},
//	 "receipts": {"diarium": {"number": "SBN 2026-114", "at": "2026-03-02T10:00:05+01:00"}},
//	 "case": {"diarium": {"number": "SBN 2026-114", "at": "2026-03-02T10:00:05+01:00"}}}
//
// # Trying
//
// Render makes documents and nothing else. Explain makes the same document, byte for byte,
// and tells where each value of it came from and what was left out; it bounds what a
// document may cost, so that a draft, which CompileDraft reads, can be tried. Trace lists every place that an answer, a
// party or a register's field goes to. Ground.Given makes up a given.json. All three read
// the same tree and the same expressions as Render does.
package mapping
