## make                   build the extension and the C client
## make demo              concurrent money transfers on a throwaway server
##                        (DEMO_ARGS='--seconds 30' goes to the demo; --help lists its options)
## make test              every test, on a throwaway server
##                        (T=specs: one suite, T=sql/append: one test; several names: T='sql pgtap';
##                        ACCEPT=1 takes what sql and specs tests print as what is expected)
## make soak              random concurrent histories for ten minutes, checked afterwards, and late
##                        commits for one (SOAK_ARGS='--minutes 30')
## make fuzz              libFuzzer on what comes from outside the client, a minute a target
##                        (FUZZ_ARGS=-max_total_time=600; the options are libFuzzer's)
## make bench             what appends and commands cost, against SQL on tables and other designs
##                        (BENCH_ARGS=--quick: some minutes; or the names of parts)
## make dev               a throwaway server with the extension, until Ctrl-C
## make install           the extension, into the PostgreSQL that PG_CONFIG names
## make install-client    the C client, into PREFIX; uninstall-client takes it away
## make docs              the reference of the C client, in client/build/docs
## make clean
##
## Variables: PG_CONFIG, CC, DESTDIR, PREFIX; WERROR= builds with warnings that are not errors.

PG_CONFIG ?= pg_config
export PG_CONFIG

EXTENSION = eventcore
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)
MODULE_big = $(EXTENSION)
OBJS = $(patsubst %.c,%.o,$(wildcard extension/*.c))
DATA_built = $(EXTENSION)--$(EXTVERSION).sql
DATA = $(wildcard sql/updates/*.sql) sql/optional/eventcore_pgtap.sql
SHLIB_LINK = -Wl,--version-script=extension/symbols.map
EXTRA_CLEAN = tests/client/build tests/fuzz/build

# The install script is these files of sql/, in this order.
SQL_ORDER = types tables stores append locks read log horizon subscriptions deliveries acknowledgements \
	snapshots projections lifecycle privileges
SQL_FILES = $(wildcard $(SQL_ORDER:%=sql/%.sql))
ifneq ($(filter-out $(SQL_FILES),$(wildcard sql/*.sql)),)
$(error not in SQL_ORDER: $(filter-out $(SQL_FILES),$(wildcard sql/*.sql)))
endif

# The server's headers are not ours to warn about: system headers. But its flags were made for gcc,
# and clang warns of a PG_FUNCTION_ARGS that a function without arguments does not use.
WERROR = -Werror
CLANG_CFLAGS = -Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-unused-parameter
PG_CPPFLAGS = -Iextension -isystem $(shell $(PG_CONFIG) --includedir-server)
PG_CFLAGS = -Wall -Wextra $(WERROR) -Wno-declaration-after-statement \
	$(if $(findstring clang,$(CC)),$(CLANG_CFLAGS))

# Bitcode would only let the server inline our functions into JIT-compiled expressions.
override with_llvm = no

.DEFAULT_GOAL = all
.DELETE_ON_ERROR:
.PHONY: client docs install-client uninstall-client clean-client demo test soak fuzz bench dev help

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
HEADER := $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)/postgres.h
ifneq ($(and $(wildcard $(PGXS)),$(wildcard $(HEADER))),)
include $(PGXS)
else
all install clean:
	@echo "$(PG_CONFIG) finds no PostgreSQL server headers: run tests/packages, or set PG_CONFIG" >&2
	@exit 1
endif

clean: clean-client

# PGXS has install depend on all, but the extension goes in without the client.
ifneq ($(MAKECMDGOALS),install)
all: client
endif

# Those of PGXS are not for the client.
unexport CFLAGS CPPFLAGS LDFLAGS

$(OBJS): $(wildcard extension/*.h)

$(DATA_built): $(SQL_FILES) $(EXTENSION).control
	@printf '%s\n' '\echo Use "CREATE EXTENSION $(EXTENSION)" to load this file. \quit' > $@
	cat $(SQL_FILES) >> $@

client:
	$(MAKE) -C client all

install-client:
	$(MAKE) -C client install

uninstall-client:
	$(MAKE) -C client uninstall

docs:
	@tests/packages docs
	$(MAKE) -C client docs

clean-client:
	$(MAKE) -C client clean

# tests/cluster builds and installs the extension. Where several runs may build at once, flock.
demo:
	@tests/packages demo
	@echo "Building, and starting a throwaway PostgreSQL ..."
	+@flock client $(MAKE) -s --no-print-directory client
	+@tests/cluster run -- client/build/transfer_demo $(DEMO_ARGS)

test:
	@tests/packages test
	+@tests/cluster run --conf fsync=off -- tests/run $(if $(ACCEPT),--accept) $(T)

soak:
	@tests/packages test
	+@tests/cluster run --conf fsync=off -- tests/soak/run $(SOAK_ARGS)
	+@tests/cluster run -- tests/late_commits/run --seconds 60

fuzz:
	@tests/packages test
	+@$(MAKE) -s --no-print-directory -C tests/fuzz fuzz $(if $(FUZZ_ARGS),FUZZ_ARGS='$(FUZZ_ARGS)')

bench:
	@tests/packages bench
	+@tests/cluster run --conf shared_buffers=2GB --conf max_wal_size=16GB \
		--conf checkpoint_timeout=30min --conf wal_level=replica --conf autovacuum=off \
		-- tests/bench/run $(BENCH_ARGS)

dev:
	@tests/packages demo
	+@tests/cluster dev

help:
	@sed -n 's/^## \{0,1\}//p' Makefile
