/** Small parts for all panels; none of them knows the store. */
export * from './ApprovalForm';
export * from './controls';
export * as figures from './figures';
export * from './icons';
export * from './labIcons';
export * from './Meter';
export * from './StateMark';
export * from './StepStrip';
export * from './words';
