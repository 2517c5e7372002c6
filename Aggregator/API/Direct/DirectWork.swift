import NIOCore
import PlainHTTP

/// A request that is being answered directly.
struct DirectTask: Sendable {
    let cancel: @Sendable () -> Void
}

/// Looks at the head of a request that it may answer without the usual machinery.
///
/// Called on the event loop; must not block.
/// - Returns: nil when the request takes the usual way.
typealias DirectRoute = @Sendable (PlainRequest) -> DirectWork?

/// How a request is answered whose head has come. Called on the event loop; must not block.
struct DirectWork: Sendable {
    /// Whether the body may come; asked before anything of it is waited for, so that nobody unknown has it kept here.
    /// Calls back once, on any thread; false there sends the request the usual way, where the reason is told.
    /// - Returns: false when too much waits; then nothing is called back. nil: it may come.
    var admit: (@Sendable (_ done: @escaping @Sendable (Bool) -> Void) -> Bool)?

    /// Answers. `done` is called once, on any thread, unless the task is cancelled.
    /// - Returns: nil when the request takes the usual way after all.
    let begin: @Sendable (_ body: ByteBuffer, _ done: @escaping @Sendable (DirectAnswer) -> Void) -> DirectTask?
}
