import Dispatch
import Glibc

/// SIGHUP: the usual wish that files be read again. Without it the signal would end the process.
final class HangupSignal {
    private let source: any DispatchSourceSignal

    init(_ body: @escaping @Sendable () -> Void) {
        signal(SIGHUP, SIG_IGN)
        source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global())
        source.setEventHandler(handler: body)
        source.resume()
    }

    func stop() { source.cancel() }
}
