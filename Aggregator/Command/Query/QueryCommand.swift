import ArgumentParser
import Foundation
import PromQL
import Telemetry

/// `stagebox query`: PromQL from the shell, as a table, a chart or JSON.
struct QueryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "query", abstract: "Ask in PromQL: at one time, or over a range, as a table or a chart.",
        discussion: """
            stagebox query 'sum by (mode) (rate(node_cpu_seconds_total[1m]))'
            stagebox query 'node_load1' --range 1h --chart
            """)

    @Argument(help: "The expression.")
    var expression: String

    @Option(help: "How far back from --time, as in 1h or 30m; without it the expression is evaluated at one time.")
    var range: String?

    @Option(help: "Distance of the points of a range, as in 15s; by default as many points as the terminal shows.")
    var step: String?

    @Option(help: "At what time, or the range's end: RFC 3339 or Unix seconds; now without.")
    var time: String?

    @Flag(help: "Draw a chart of a range (the last hour unless --range says otherwise).")
    var chart = false

    @Flag(help: "Print the server's answer as it is.")
    var json = false

    @Option(help: "Series at most; 0 for all.")
    var limit = 0

    @Option(help: "Columns of the output; by default the terminal's.")
    var width: Int?

    @OptionGroup var about: SessionOptions

    func validate() throws {
        if chart, json { throw ValidationError("--chart or --json, not both") }
        guard limit >= 0 else { throw ValidationError("--limit \(limit): use 0 or more") }
        if let width, !(20...1000).contains(width) { throw ValidationError("--width \(width): use 20 to 1000") }
        _ = try milliseconds(range, "--range")
        _ = try milliseconds(step, "--step")
        if step != nil, range == nil, !chart { throw ValidationError("--step needs --range") }
    }

    private func milliseconds(_ text: String?, _ option: String) throws -> Int64? {
        guard let text else { return nil }
        guard let value = DurationText.milliseconds(text), value > 0 else {
            throw ValidationError("\(option) \"\(text)\": use a duration such as 15s, 5m or 1h30m")
        }
        return value
    }

    func run() throws {
        // What cannot be parsed is told without asking anybody; what the server allows of the language, it says.
        do { _ = try Parser.parse(expression, options: .all) } catch {
            throw ExpressionFailure(expression, position: error.span.start, error.message)
        }
        let terminal = Terminal(width: width)
        let body = try ask(terminal)
        if json {
            FileHandle.standardOutput.write(Data(body + [UInt8(ascii: "\n")]))
            return
        }
        let answer = try QueryAnswer(body)
        for line in lines(answer, terminal) { print(line) }
        for warning in answer.warnings { Terminal.note("warning: \(warning)") }
        for info in answer.infos { Terminal.note("info: \(info)") }
    }

    private func lines(_ answer: QueryAnswer, _ terminal: Terminal) -> [String] {
        switch answer.value {
        case .number(let text), .text(let text): return [Terminal.clean(text)]
        case .vector(let series): return ResultTable.vector(series, width: terminal.width)
        case .matrix(let series) where chart: return TerminalChart(series, terminal: terminal).lines
        case .matrix(let series): return ResultTable.matrix(series, width: terminal.width)
        }
    }

    private func ask(_ terminal: Terminal) throws -> [UInt8] {
        let session = try about.session()
        var form = [("query", expression)]
        if limit > 0 { form.append(("limit", String(limit))) }
        let length = try milliseconds(range, "--range") ?? (chart ? 3_600_000 : nil)
        do {
            guard let length else {
                if let time { form.append(("time", time)) }
                return try session.send("POST", "/api/v1/query", form: form)
            }
            let end = try endMilliseconds()
            let points = Int64(max(20, chart ? terminal.width * 2 : terminal.width))
            let step = try milliseconds(step, "--step") ?? max(1000, (length / points + 999) / 1000 * 1000)
            func seconds(_ milliseconds: Int64) -> String { String(format: "%.3f", Double(milliseconds) / 1000) }
            form += [("start", seconds(end - length)), ("end", seconds(end)), ("step", seconds(step))]
            return try session.send("POST", "/api/v1/query_range", form: form)
        } catch let failure as AggregatorRefusal {
            throw ExpressionFailure(expression, failure) ?? failure
        }
    }

    private func endMilliseconds() throws -> Int64 {
        guard let time else { return Int64(Date().timeIntervalSince1970) * 1000 }
        if let seconds = Double(time), abs(seconds) < 1e12 { return Int64((seconds * 1000).rounded()) }
        let format = ISO8601DateFormatter()
        for options: ISO8601DateFormatter.Options in [
            [.withInternetDateTime], [.withInternetDateTime, .withFractionalSeconds],
        ] {
            format.formatOptions = options
            if let date = format.date(from: time) { return Int64((date.timeIntervalSince1970 * 1000).rounded()) }
        }
        throw ValidationError("--time \"\(time)\": use RFC 3339 (2026-05-01T12:00:00Z) or Unix seconds")
    }
}

/// Whom to ask, and as whom: what `stagebox login` keeps, or as the options say.
struct SessionOptions: ParsableArguments {
    @Option(help: "The aggregator's address; without it the one of \"stagebox login\".")
    var url: String?

    @Option(help: "A bearer token for --url; better in STAGEBOX_TOKEN, since others see a process's options.")
    var token: String?

    @Option(help: "SHA-256 of the server's public key, for --url with https.")
    var keyHash: String?

    @OptionGroup var tenant: TenantOption

    func session() throws -> Session {
        guard let url else {
            guard token == nil, keyHash == nil else { throw ValidationError("--token and --key-hash go with --url") }
            return try tenant.session()
        }
        guard let token = token ?? ProcessInfo.processInfo.environment["STAGEBOX_TOKEN"] else {
            throw ValidationError("--url needs --token or STAGEBOX_TOKEN")
        }
        return Session(
            url: url, token: token, keyHash: keyHash,
            tenant: try tenant.tenant.map { try TenantID(validating: $0).rawValue })
    }
}
