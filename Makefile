# Everything that one does with Knutpunkt on a fresh machine. All of it needs Go
# $(GO_VERSION) or later, and says so; nothing else needs to be installed by hand.

GO_VERSION := 1.26
# What is built here, by hand or by a test, is what ships: static, and without the paths of whoever
# built it. So a machine compiles it once.
export CGO_ENABLED := 0
export GOFLAGS := $(shell go env GOFLAGS 2>/dev/null) -trimpath
# The race detector needs a C compiler. Without one the tests run without it. It leaves SQLite's
# C alone, which is translated by machine and not ours: watched, it takes nine tenths of the time.
RACE := $(shell command -v $${CC:-cc} >/dev/null && echo -race -gcflags=modernc.org/...=-race=false)
# The exit code of the harness that fails nothing. In CI it is 2: a machine that is too slow
# to exercise what the harness is about has proved nothing, and says so.
FORGIVEN := 0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: demo test engines lint build bench chaos chaos-replicas fuzz clean go

## demo: build Knutpunkt and play a story with a whole simulated municipality
demo: build
	bin/knutpunkt demo

# Many tests wait for processes, brokers and databases: three packages at a time, and four tests of
# each that go together, fill two cores. lint has vetted them.
## test: everything that must hold before a change goes in
test: lint engines
	$(if $(RACE),CGO_ENABLED=1) go test -vet=off $(RACE) -exec "env CGO_ENABLED=0" -p 3 -parallel 4 ./...
	cd bench && go vet ./... && go test ./...

## engines: PostgreSQL and Kafka for the tests, where they are not on this machine
engines: go
	@go run ./hub/enginetest/install

## lint: vet, staticcheck, formatting, and the shipped configuration
lint: go
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	go vet ./...
	go vet -tags chaos ./cmd/knutpunkt/verbs
	go run $(STATICCHECK) ./...
	go run $(STATICCHECK) -tags chaos ./cmd/knutpunkt/verbs
	go run ./cmd/knutpunkt check

## build: the binary, static, in bin/
build: go
	CGO_ENABLED=0 go build -trimpath -o bin/knutpunkt ./cmd/knutpunkt

## bench: measure, as ratios within one run
bench: go
	cd bench && go run .

## chaos: a minute of forms while everything fails; more with CHAOS="--duration 10m --seed N"
chaos: build
	go build -trimpath -o bin/knutpunkt-chaos ./cmd/knutpunkt-chaos
	bin/knutpunkt-chaos --binary bin/knutpunkt $(CHAOS) || [ $$? = "$(FORGIVEN)" ]

## chaos-replicas: the same with three replicas on a real PostgreSQL and a real Kafka, which fail too
chaos-replicas: engines
	$(MAKE) chaos CHAOS="--replicas 3 --store postgres --bus kafka $(CHAOS)"

## fuzz: half a minute for each parser
fuzz: go
	@for p in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime 30s $$p || exit 1; \
	  done; \
	done

clean:
	rm -rf bin

go:
	@command -v go >/dev/null || { echo "Knutpunkt is built with Go $(GO_VERSION) or later, and there is no go on this machine: see https://go.dev/dl"; exit 1; }
	@go version | awk '{split(substr($$3,3),v,"."); if (v[1]+0<1 || (v[1]==1 && v[2]+0<26)) {print "Knutpunkt needs Go $(GO_VERSION) or later; this is " $$3; exit 1}}'
