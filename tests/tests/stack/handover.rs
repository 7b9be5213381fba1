//! One loop after the other, with connections that stay.

use virt_event_examples::host_loop::LoopKind;

use crate::client::{Client, DOMAIN, LIMIT, daemon, idle};
use crate::flow::Flow;
use crate::scene::{Form, Forms, Played, Scene, scene};
use crate::stage::Stage;

pub(crate) const SCENES: &[Scene] = &[scene!(
    handover::to_the_built_in_loop,
    LoopKind::ALL,
    Forms::USUAL
)];

/// Events that have to come in while nobody runs the loop.
const IN_BETWEEN: usize = 50;

/// A loop ends (for tokio: its runtime is shut down) while events come in, and
/// the built-in one goes on in its place. No event is lost, also of those in
/// between, and keepalive is answered.
fn to_the_built_in_loop(kind: LoopKind, form: Form) -> Played {
    let times = form.choose(1, 25);
    let daemon = daemon()?;
    let uri = daemon.test_uri();
    let mut stage = Stage::new(kind)?;
    let (clients, flow) = stage.beside(move || {
        let clients = (0..3)
            .map(|_| Client::kept_alive(&uri))
            .collect::<Result<Vec<_>, _>>()?;
        let flow = Flow::start(&uri)?;
        for client in &clients {
            client.wait_for_more(IN_BETWEEN)?;
        }
        Ok((clients, flow))
    })?;

    let mut running = (clients, flow);
    for _ in 0..times {
        stage = stage.hand_over(LoopKind::Builtin, || {
            let (clients, flow) = &running;
            let before: Vec<_> = clients.iter().map(Client::heard).collect();
            flow.wait_for(IN_BETWEEN)?;
            let after: Vec<_> = clients.iter().map(Client::heard).collect();
            assert_eq!(after, before, "nobody runs the loop");
            Ok(())
        })?;
        let (clients, flow) = running;
        running = stage.beside(move || {
            for client in &clients {
                client.wait_for_more(2 * IN_BETWEEN)?;
            }
            Ok((clients, flow))
        })?;
    }

    let (clients, flow) = running;
    stage.beside(move || {
        let events = flow.stop()?;
        for client in &clients {
            client.wait_for(DOMAIN, events)?;
        }
        idle(&clients, form.choose(LIMIT * 4 / 3, LIMIT * 10))?;
        for client in &clients {
            client.connection().hostname()?;
        }
        Ok(())
    })?;
    stage.end();
    Ok(())
}
