import Glibc
import RuntimeSupport

/// SIGINT and SIGTERM as something to wait for. One at a time in a process.
///
/// The handler writes to a pipe, which is all that a handler may do; a thread turns that into a closed queue.
final class StopSignal: Sendable {
    /// Written once, before the handlers are installed; read by them.
    nonisolated(unsafe) private static var pipeEnd: Int32 = -1
    private let queue = BoundedQueue<Int32>(itemsMax: 1)

    init() {
        var ends: [Int32] = [-1, -1]
        precondition(pipe(&ends) == 0, "no pipe: \(errno)")
        Self.pipeEnd = ends[1]
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in
                var byte: UInt8 = 1
                _ = write(StopSignal.pipeEnd, &byte, 1)
            }
        }
        let (queue, reading) = (queue, ends[0])
        // Lives as long as the process.
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Reader(reading, queue)).toOpaque()
        pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                let reader = Unmanaged<Reader>.fromOpaque(argument).takeRetainedValue()
                var byte: UInt8 = 0
                while read(reader.descriptor, &byte, 1) < 0, errno == EINTR {}
                reader.queue.close()
                return nil
            }, context)
        pthread_detach(thread)
    }

    private final class Reader {
        let descriptor: Int32
        let queue: BoundedQueue<Int32>
        init(_ descriptor: Int32, _ queue: BoundedQueue<Int32>) {
            self.descriptor = descriptor
            self.queue = queue
        }
    }

    var isRequested: Bool { queue.isFinished }

    /// - Returns: true as soon as a signal has come.
    func wait(milliseconds: Int64) -> Bool {
        _ = queue.pop(max: 1, waitMilliseconds: milliseconds)
        return queue.isFinished
    }
}
