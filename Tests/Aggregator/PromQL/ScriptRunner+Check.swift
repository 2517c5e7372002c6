import PromQLScripts
import Testing

extension ScriptRunner {
    /// Runs a script against the engine; all of its evaluations must pass.
    static func check(_ script: String, concurrency: Int = 1, line: Int = #line) throws {
        let outcome = try ScriptRunner(EngineTarget(concurrency: concurrency)).run(try Script(script))
        #expect(outcome.failures == [], "script at line \(line)")
        #expect(outcome.passed > 0)
    }
}
