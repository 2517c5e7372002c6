import ArgumentParser
import Foundation
import Interchange
import Rules

/// `stagebox check`: whether a text is what its format's specification asks for.
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Judge a text on standard input: exit 0 if it is valid, 1 with the reason if not.",
        subcommands: [OpenMetrics.self, Influx.self, RuleFiles.self])

    struct OpenMetrics: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "openmetrics", abstract: "The OpenMetrics text format 1.0, as strict as its specification.")

        func run() throws {
            do {
                let exposition = try OpenMetricsParser.parse(Check.input())
                print("valid: \(exposition.families.count) metric families, \(exposition.samples.count) samples")
            } catch let error as InterchangeError {
                throw Check.invalid([error])
            }
        }
    }

    struct Influx: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "influx", abstract: "InfluxDB's line protocol, as strict as its specification.")
        @Option(help: "The unit of the timestamps: ns, us, ms or s.")
        var precision = "ns"

        func run() throws {
            guard let unit = InfluxPrecision(parameter: precision) else {
                throw ValidationError("--precision \(precision): use ns, us, ms or s")
            }
            let batch = InfluxLineParser.parse(
                try Check.input(), options: InfluxLineParser.Options(precision: unit, isStrict: true))
            guard batch.errorCount == 0 else { throw Check.invalid(batch.errors, of: batch.errorCount) }
            print("valid: \(batch.pointCount) points, \(batch.samples.count) values")
        }
    }

    struct RuleFiles: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rules", abstract: "Prometheus rule files, as the aggregator reads them.")
        @Argument(help: "The files; standard input without.")
        var files: [String] = []

        func run() throws {
            let texts = try files.isEmpty ? [("standard input", Check.input())] : files.map { ($0, try Self.read($0)) }
            var isGood = true
            for (name, bytes) in texts {
                switch RuleFileReader.read(bytes, file: name) {
                case .success(let groups):
                    print("\(name): \(groups.reduce(0) { $0 + $1.rules.count }) rules in \(groups.count) groups")
                case .failure(let errors):
                    isGood = false
                    FileHandle.standardError.write(Data((errors.description + "\n").utf8))
                }
            }
            if !isGood { throw ExitCode(1) }
        }

        private static func read(_ path: String) throws -> [UInt8] {
            guard let data = FileManager.default.contents(atPath: path) else {
                throw CommandFailure("\(path) cannot be read")
            }
            return Array(data)
        }
    }

    /// Standard input may hold this much.
    static let bytesMax = 256 << 20

    private static func input() throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let chunk = try FileHandle.standardInput.read(upToCount: 1 << 20), !chunk.isEmpty {
            bytes.append(contentsOf: chunk)
            guard bytes.count <= bytesMax else {
                throw CommandFailure("standard input holds more than \(bytesMax) bytes")
            }
        }
        return bytes
    }

    /// Tells each error on standard error, and gives the exit code.
    private static func invalid(_ errors: [InterchangeError], of count: Int = 1) -> ExitCode {
        var text = errors.map { "\($0)\n" }.joined()
        if count > errors.count { text += "and \(count - errors.count) more lines\n" }
        FileHandle.standardError.write(Data(text.utf8))
        return ExitCode(1)
    }
}
