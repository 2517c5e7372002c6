import PromQL
import PromQLScripts
import TestSupport
import Testing

/// Functions and experimental parts as scripts.
@Suite(.ownThread) struct FunctionTests {
    @Test("classic histograms give quantiles and fractions")
    func histograms() throws {
        try ScriptRunner.check(
            """
            load 5m
              h_bucket{le="0.1", x="a"} 0+5x10
              h_bucket{le=".2", x="a"} 0+7x10
              h_bucket{le="1e0", x="a"} 0+11x10
              h_bucket{le="+Inf", x="a"} 0+12x10
              n_bucket{le="-.2"} 0+1x10
              n_bucket{le="-0.1"} 0+3x10
              n_bucket{le="0.3"} 0+4x10
              n_bucket{le="+Inf"} 0+4x10
              odd_bucket{le="0.1"} 50
              odd_bucket{le="0.2"} 30
              odd_bucket{le="+Inf"} 60
              bad_bucket{le="abc"} 1
              bad_bucket{le="+Inf"} 1
              open_bucket{le="1"} 1
              open_bucket{le="2"} 3
              zero_bucket{le="1"} 0
              zero_bucket{le="+Inf"} 0

            eval instant at 50m histogram_quantile(0, h_bucket)
              {x="a"} 0

            eval instant at 50m histogram_quantile(0.25, h_bucket)
              {x="a"} 0.06

            eval instant at 50m histogram_quantile(0.5, h_bucket)
              {x="a"} 0.15

            eval instant at 50m histogram_quantile(0.75, h_bucket)
              {x="a"} 0.6

            eval instant at 50m histogram_quantile(1, h_bucket)
              {x="a"} 1

            eval instant at 50m histogram_quantile(0.5, rate(h_bucket[10m]))
              {x="a"} 0.15

            eval instant at 50m histogram_quantile(0.5, sum by (le) (h_bucket))
              {} 0.15

            eval instant at 50m histogram_quantile(-1, h_bucket)
              expect warn msg: PromQL warning: quantile value should be between 0 and 1, got -1 (1:20)
              {x="a"} -Inf

            eval instant at 50m histogram_quantile(NaN, h_bucket)
              expect warn msg: PromQL warning: quantile value should be between 0 and 1, got NaN (1:20)
              {x="a"} NaN

            eval instant at 50m histogram_quantile(0.2, n_bucket)
              {} -0.2

            eval instant at 50m histogram_quantile(0.5, n_bucket)
              {} -0.15

            eval instant at 50m histogram_fraction(-Inf, 0.1, h_bucket)
              {x="a"} 0.4166666666666667

            eval instant at 50m histogram_fraction(0.05, 0.15, h_bucket)
              {x="a"} 0.29166666666666663

            eval instant at 50m histogram_fraction(1, +Inf, h_bucket)
              {x="a"} 0.08333333333333333

            eval instant at 50m histogram_fraction(2, 1, h_bucket)
              {x="a"} 0

            eval instant at 50m histogram_fraction(NaN, 1, h_bucket)
              {x="a"} NaN

            eval instant at 0 histogram_quantile(0.5, odd_bucket)
              expect info msg: PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric name "odd_bucket", from buckets 0.2 to 0.2, with a max diff of 20, over 1 samples from 1970-01-01T00:00:00Z to 1970-01-01T00:00:00Z (1:25)
              {} 0.06

            eval instant at 0 histogram_quantile(0.5, bad_bucket)
              expect warn msg: PromQL warning: bucket label "le" is missing or has a malformed value of "abc" for metric name "bad_bucket" (1:25)
              {} NaN

            eval instant at 0 histogram_quantile(0.5, open_bucket)
              {} NaN

            eval instant at 0 histogram_quantile(0.5, zero_bucket)
              {} NaN

            eval instant at 50m histogram_quantiles(h_bucket, "q", 0.5, 0.75)
              {q="0.5", x="a"} 0.15
              {q="0.75", x="a"} 0.6

            eval instant at 50m histogram_sum(h_bucket)
            """)
    }

    @Test("info adds labels of info series")
    func info() throws {
        try ScriptRunner.check(
            """
            load 5m
              m{instance="a", job="1", label="value"} 0 1 2
              n{instance="b", job="1"} 0 1 2
              target_info{instance="a", job="1", data="info", another="x"} 1 1 1
              build_info{instance="a", job="1", version="7"} 1 1 1

            eval range from 0 to 10m step 5m info(m)
              m{instance="a", job="1", label="value", data="info", another="x"} 0 1 2

            eval range from 0 to 10m step 5m info(m, {data=~".+"})
              m{instance="a", job="1", label="value", data="info"} 0 1 2

            eval instant at 5m info(n)
              n{instance="b", job="1"} 1

            eval instant at 5m info(n, {data=~".+"})

            eval instant at 5m info(n, {data=~".*"})
              n{instance="b", job="1"} 1

            eval instant at 5m info(m, {__name__="build_info"})
              m{instance="a", job="1", label="value", version="7"} 1

            eval instant at 5m info(build_info, {__name__=~".+_info", version=~".+"})
              build_info{instance="a", job="1", version="7"} 1

            eval instant at 5m info(sum by (instance, job) (m))
              {instance="a", job="1", data="info", another="x"} 1
            """)
    }

    @Test("limits choose by order and by hash")
    func limits() throws {
        try ScriptRunner.check(
            """
            load 1m
              m{i="0", g="a"} 1 1
              m{i="1", g="a"} 2 2
              m{i="2", g="b"} 3 3
              m{i="3", g="b"} 4 4

            eval instant at 0 count(limitk(3, m))
              {} 3

            eval instant at 0 count by (g) (limitk by (g) (1, m))
              {g="a"} 1
              {g="b"} 1

            eval range from 0 to 1m step 1m count(limitk(10, m))
              {} 4 4

            eval instant at 0 limitk(0, m)

            eval instant at 0 count(limit_ratio(1, m))
              {} 4

            eval instant at 0 limit_ratio(0, m)

            eval instant at 0 count(limit_ratio(0.3, m) or limit_ratio(-0.7, m))
              {} 4

            eval instant at 0 limit_ratio(0.3, m) and limit_ratio(-0.7, m)

            eval instant at 0 count(limit_ratio(1.5, m))
              expect warn msg: PromQL warning: ratio value should be between -1 and 1, got 1.5, capping to 1 (1:19)
              {} 4

            eval instant at 0 topk(1, m)
              m{i="3", g="b"} 4

            eval range from 0 to 1m step 1m bottomk by (g) (1, m)
              m{i="0", g="a"} 1 1
              m{i="2", g="b"} 3 3
            """)
    }

    @Test("durations may be computed, windows extended, missing partners filled")
    func experimental() throws {
        try ScriptRunner.check(
            """
            load 1m
              m 1 2 3 4 5 6 7 8 9 10
              c_total 0 10 20 5 15 25
              l{x="1"} 1 2
              l{x="2"} 3 4
              r{x="2"} 10 20
              r{x="3"} 30 40

            eval instant at 5m count_over_time(m[1m+2m])
              {} 3

            eval instant at 5m count_over_time(m[2m*2-1m])
              {} 3

            eval instant at 5m m offset (1m+1m)
              m 4

            eval range from 4m to 6m step 1m count_over_time(m[step()*2])
              {} 2 2 2

            eval instant at 5m count_over_time(m[max(step(), 2m)])
              {} 2

            eval instant at 5m count_over_time(m[1m-2m])
              expect fail msg: duration must be greater than 0

            eval instant at 5m increase(c_total[3m] anchored)
              {} 25

            eval instant at 3m30s increase(c_total[2m] smoothed)
              {} 15

            eval instant at 2m30s m smoothed
              m 3.5

            eval instant at 5m changes(m[2m] anchored)
              {} 2

            eval instant at 5m sum_over_time(m[2m] anchored)
              expect fail msg: anchored modifier can only be used with: changes, delta, increase, rate, resets - not with sum_over_time

            eval instant at 0 l + fill(0) r
              {x="1"} 1
              {x="2"} 13
              {x="3"} 30

            eval instant at 0 l + fill_right(100) r
              {x="1"} 101
              {x="2"} 13

            eval instant at 0 l + fill_left(100) r
              {x="2"} 13
              {x="3"} 130

            eval instant at 0 min_of(1, 2) + max_of(1, 2)
              3
            """)
    }

    @Test("a query that meets native histograms says so")
    func nativeHistograms() throws {
        let outcome = try ScriptRunner(EngineTarget()).run(
            try Script(
                """
                load 1m
                  h {{schema:0 sum:1 count:1}}x5

                eval instant at 1m h
                  h 1
                """))
        #expect(outcome.nativeHistograms == 1)
    }

    @Test("chunks of series that run at once give the same")
    func concurrency() throws {
        var script = "load 1m\n"
        for number in 0..<3000 { script += "  m_total{n=\"\(number)\", g=\"\(number % 3)\"} 0+\(number)x10\n" }
        script += "\neval range from 5m to 10m step 1m sum by (g) (increase(m_total[2m]))\n"
        for group in 0..<3 {
            let sum = stride(from: group, to: 3000, by: 3).reduce(0, +) * 2
            script += "  {g=\"\(group)\"} \(sum)x5\n"
        }
        script += "\neval instant at 5m count(m_total)\n  {} 3000\n"
        try ScriptRunner.check(script)
        try ScriptRunner.check(script, concurrency: 4)
    }
}
