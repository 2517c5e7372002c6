import Synchronization

/// Points between two durable steps where a test lets the store stop, as a crash would. None is set in service.
package final class StoreFaults: Sendable {
    package enum Point: Hashable, Sendable {
        /// A day file holds merged rows; level 0 lists them still.
        case afterDayFile
        /// What is to be forwarded yet was copied from level 0; the rows are still there.
        case afterKeeping
        /// The rows are gone from level 0; the day file's note is still there.
        case afterDeletion
        /// `events.sqlite` holds events whose rows level 0 lists still.
        case afterEvents
        /// A window's rollups are written; the window does not count as rolled up yet.
        case afterRollup
        /// A deletion is noted; the index lists its series still.
        case afterDeletionNote
        /// One window was written without what is deleted; others still hold some of it.
        case whileErasing
        /// No group holds anything deleted; the deletion does not count as erased yet.
        case beforeErased
    }
    package struct Stopped: Error {
        package let point: Point
    }

    private let points = Mutex<[Point: Int]>([:])

    /// Stops at the `count`-th passing from now on.
    package func stop(at point: Point, count: Int = 1) { points.withLock { $0[point] = count } }

    package func clear() { points.withLock { $0.removeAll() } }

    func pass(_ point: Point) throws {
        let stops = points.withLock { points -> Bool in
            guard let left = points[point] else { return false }
            points[point] = left > 1 ? left - 1 : nil
            return left <= 1
        }
        if stops { throw Stopped(point: point) }
    }
}
