import PromQL
import PromQLScripts
import Testing

/// The language's rules as scripts: load, eval, expect.
@Suite struct SemanticsTests {
    private static let requests = """
        load 1m
          requests{code="200", path="/a"} 0+60x10
          requests{code="500", path="/a"} 0+6x10
          requests{code="200", path="/b"} 0+30x10
          limit{path="/a", team="x"} 100
          limit{path="/b", team="y"} 200
          limit{path="/c", team="z"} 300
        """

    @Test("operators match series one to one, many to one and one to many")
    func matching() throws {
        try ScriptRunner.check(
            Self.requests + """


                eval instant at 0 requests{code="500"} / on (path) requests{code="200"}
                  {path="/a"} NaN

                eval instant at 2m requests{code="500"} / ignoring (code) requests{code="200"}
                  {path="/a"} 0.1

                eval instant at 2m requests - on (path) group_left (team) limit
                  {code="200", path="/a", team="x"} 20
                  {code="500", path="/a", team="x"} -88
                  {code="200", path="/b", team="y"} -140

                eval instant at 2m limit - on (path) group_right requests
                  {code="200", path="/a"} -20
                  {code="500", path="/a"} 88
                  {code="200", path="/b"} 140

                eval instant at 2m limit < on (path) group_right (team) requests
                  requests{code="200", path="/a", team="x"} 100

                eval instant at 2m requests > on (path) group_left limit
                  requests{code="200", path="/a"} 120

                eval instant at 2m requests > bool on (path) group_left limit
                  {code="200", path="/a"} 1
                  {code="500", path="/a"} 0
                  {code="200", path="/b"} 0

                eval instant at 2m requests * on (path) limit
                  expect fail msg: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)

                eval instant at 2m limit * on (path) requests
                  expect fail msg: found duplicate series for the match group {path="/a"} on the right hand-side of the operation: [{__name__="requests", code="500", path="/a"}, {__name__="requests", code="200", path="/a"}];many-to-many matching not allowed: matching labels must be unique on one side

                eval instant at 2m requests * ignoring (path, code) group_left limit

                eval instant at 2m requests * ignoring (team) group_left limit

                eval instant at 2m sum by (path) (requests) + ignoring (team) limit
                  {path="/a"} 232
                  {path="/b"} 260

                eval instant at 2m requests == requests
                  requests{code="200", path="/a"} 120
                  requests{code="500", path="/a"} 12
                  requests{code="200", path="/b"} 60

                eval range from 0 to 3m step 1m requests{code="500"} > 7
                  requests{code="500", path="/a"} _ _ 12 18
                """)
    }

    @Test("scalars and vectors combine; comparisons filter or give 0 and 1")
    func scalars() throws {
        try ScriptRunner.check(
            """
            load 1m
              m{a="1"} 1 2 3 NaN
              m{a="2"} 4 5 6 7

            eval instant at 1m m > 2
              m{a="2"} 5

            eval instant at 1m 2 < m
              m{a="2"} 5

            eval instant at 1m m > bool 2
              {a="1"} 0
              {a="2"} 1

            eval instant at 1m 2 ^ m
              {a="1"} 4
              {a="2"} 32

            eval instant at 1m m ^ 2
              {a="1"} 4
              {a="2"} 25

            eval instant at 1m -m % 3
              {a="1"} -2
              {a="2"} -2

            eval instant at 1m 2 ^ 3 ^ 2 - -2 ^ 2
              516

            eval instant at 1m 1 + 2 * 3 % 4
              3

            eval instant at 1m 7 == bool 7
              1

            eval instant at 1m 1 atan2 0
              1.5707963267948966

            eval instant at 3m m != NaN
              m{a="1"} NaN
              m{a="2"} 7

            eval instant at 3m m == m
              m{a="2"} 7

            eval range from 0 to 3m step 1m m * scalar(m{a="2"})
              {a="1"} 4 10 18 NaN
              {a="2"} 16 25 36 49

            eval range from 0 to 2m step 1m time() + vector(1)
              {} 1 61 121

            eval range from 0 to 2m step 1m 3 + 4
              {} 7 7 7

            eval instant at 0 +m
              m{a="1"} 1
              m{a="2"} 4
            """)
    }

    @Test("set operators work step by step")
    func sets() throws {
        try ScriptRunner.check(
            """
            load 1m
              l{x="1"} 1 1 _ 1
              l{x="2"} 2 2 2 2
              r{x="1"} 9 _ 9 9
              r{x="3"} 8 8 8 8
              other{y="1", x="1"} 5 5 5 5

            eval range from 0 to 3m step 1m last_over_time(l[1m]) and last_over_time(r[1m])
              l{x="1"} 1 _ _ 1

            eval range from 0 to 3m step 1m last_over_time(l[1m]) unless last_over_time(r[1m])
              l{x="1"} _ 1
              l{x="2"} 2 2 2 2

            eval range from 0 to 3m step 1m last_over_time(l[1m]) or last_over_time(r[1m])
              l{x="1"} 1 1 _ 1
              l{x="2"} 2 2 2 2
              r{x="1"} _ _ 9
              r{x="3"} 8 8 8 8

            eval range from 0 to 3m step 1m -last_over_time(l{x="1"}[1m]) or -last_over_time(r{x="1"}[1m])
              {x="1"} -1 -1 -9 -1

            eval range from 0 to 3m step 1m label_replace(l or r, "x", "0", "x", ".*") or vector(7)
              expect fail

            eval instant at 0 l and on (x) other
              l{x="1"} 1

            eval instant at 0 l or ignoring (y) other
              l{x="1"} 1
              l{x="2"} 2

            eval instant at 0 l and on () vector(1)
              l{x="1"} 1
              l{x="2"} 2

            eval instant at 0 l unless on () vector(1)

            eval instant at 0 l and nothing

            eval instant at 0 l unless nothing
              l{x="1"} 1
              l{x="2"} 2

            eval instant at 0 (l or r) or other
              l{x="1"} 1
              l{x="2"} 2
              r{x="3"} 8
              other{x="1", y="1"} 5
            """)
    }

    @Test("names go when the query is done, and series that become one are joined or conflict")
    func names() throws {
        try ScriptRunner.check(
            """
            load 1m
              a_total{x="1"} 0+60x10
              b_total{x="1"} 0+30x10
              a_total{x="2"} 0+6x10

            eval instant at 5m rate({__name__=~".*_total"}[5m])[1m:30s]
              expect fail msg: vector cannot contain metrics with the same labelset

            eval instant at 5m label_replace(rate(a_total[5m]), "was", "$1", "__name__", "(.*)")
              {x="1", was="a_total"} 1
              {x="2", was="a_total"} 0.1

            eval instant at 5m label_replace(rate(a_total{x="1"}[5m]), "__name__", "rate_$1", "__name__", "(.*)")
              rate_a_total{x="1"} 1

            eval instant at 5m sum by (__name__) (a_total)
              a_total 330

            eval instant at 5m sum by (__name__) (rate({__name__=~".*_total"}[5m]))
              expect fail

            eval instant at 5m count(rate({__name__=~".*_total"}[5m]))
              {} 3

            eval instant at 5m rate({__name__=~".*_total"}[5m])
              expect fail msg: vector cannot contain metrics with the same labelset

            eval instant at 5m rate(a_total[5m]) > rate(b_total[5m])
              {x="1"} 1

            eval instant at 5m last_over_time(a_total[2m]) + 0
              {x="1"} 300
              {x="2"} 30

            eval instant at 5m sort_desc(max_over_time(a_total[5m]))
              expect ordered
              {x="1"} 300
              {x="2"} 30

            eval instant at 5m a_total{x="2"} or rate(a_total{x="1"}[5m])
              a_total{x="2"} 30
              {x="1"} 1
            """)
    }

    @Test("subqueries look at steps that are multiples of their own")
    func subqueries() throws {
        try ScriptRunner.check(
            """
            load 10s
              m 0+1x100

            eval instant at 1m45s count_over_time(m[50s:10s])
              {} 5

            eval instant at 1m45s sum_over_time(m[50s:10s])
              {} 40

            eval instant at 1m40s sum_over_time(m[50s:10s] offset 10s)
              {} 35

            eval instant at 0 m[30s:10s]
              expect range vector from 0s to 0s step 10s
              m 0

            eval instant at 1m m[25s:10s]
              expect range vector from 40s to 60s step 10s
              m 4 5 6

            eval instant at 1m m[25s]
              expect range vector from 40s to 60s step 10s
              m 4 5 6

            eval instant at 5m rate(m[1m:20s])
              expect info msg: PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "m" (1:6)
              {} 0.1

            eval range from 1m to 3m step 1m max_over_time(sum_over_time(m[20s])[40s:20s])
              {} 11 23 35

            eval range from 0 to 2m step 1m avg_over_time(m[1m:])
              {} 0 6 12

            eval range from 0 to 40s step 20s sum_over_time((m > 2)[20s:10s])
              {} _ _ 7

            eval range from 0 to 2m step 1m sum_over_time(m[1m:10s] @ 60)
              {} 21 21 21
            """)
    }
}
